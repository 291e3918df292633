//! Lines of the outbox as they lie in its file: each after its checksum, so that a line that is not whole is known. It
//! must never take half a line for a line. Format: docs/formats/monitors.md.

/// Lines as bytes to be appended.
pub fn write(lines: &[String]) -> String {
    lines.iter().map(|line| format!("{:08x} {line}\n", crc32fast::hash(line.as_bytes()))).collect()
}

/// The whole lines of a file, and how many are not.
pub fn read(text: &str) -> (Vec<String>, usize) {
    let mut damaged = 0;
    let lines = text.lines().filter_map(|line| {
        let whole = line.split_once(' ').filter(|(sum, text)| {
            u32::from_str_radix(sum, 16).is_ok_and(|sum| sum == crc32fast::hash(text.as_bytes()))
        });
        damaged += usize::from(whole.is_none());
        whole.map(|(_, text)| text.to_string())
    });
    (lines.collect(), damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_is_cut_off_only_whole_lines_are_read() {
        let lines: Vec<String> = ["{\"a\":1}", "{}", "{\"ü\":\"x y\"}"].map(String::from).to_vec();
        let text = write(&lines);
        assert_eq!(read(&text), (lines.clone(), 0));
        for at in 0..text.len() {
            let (got, damaged) = read(&String::from_utf8_lossy(&text.as_bytes()[..at]));
            assert!(lines.starts_with(&got) && damaged <= 1, "{at}");
        }
        assert_eq!(read(&text.replacen("\"a\"", "\"b\"", 1)), (lines[1..].to_vec(), 1));
    }
}
