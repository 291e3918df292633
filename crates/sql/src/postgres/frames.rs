//! Messages of a client as bytes: they are looked through before they are decoded, since the decoder trusts the numbers in
//! them, reads past the end of a message into the next one, and panics where the bytes end. Only whole messages whose parts
//! fill them exactly are let through. Nothing here answers, and nothing is kept beyond one message that is not whole yet.

use bytes::{Buf, BytesMut};

/// Bytes of one message: the longest query, and its parameters.
pub const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Bytes of the first message, in which a client introduces itself. The decoder takes no longer one.
const STARTUP_BYTES_MAX: usize = 10_000;
/// The number that makes a first message one that cancels a query of another connection.
const CANCEL: u32 = 80_877_102;

/// What is wrong with a message, in words for its sender.
pub type Wrong = &'static str;

/// Takes bytes as they come and gives back whole messages.
#[derive(Default)]
pub struct Frames {
    is_started: bool,
    waiting: BytesMut,
    /// Bytes at the front of `waiting` that are whole messages.
    ready: usize,
    wrong: Option<Wrong>,
}

impl Frames {
    /// More bytes of the client. What follows a message that is wrong is not looked at.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.wrong.is_some() {
            return;
        }
        self.waiting.extend_from_slice(bytes);
        loop {
            match next(&self.waiting[self.ready..], self.is_started) {
                Ok(Some(length)) => {
                    self.ready += length;
                    self.is_started = true;
                }
                Ok(None) => return,
                Err(wrong) => {
                    self.wrong = Some(wrong);
                    return;
                }
            }
        }
    }

    /// Bytes of whole messages that wait to be taken; when there are none, what is wrong with the next message.
    ///
    /// # Errors
    /// What is wrong.
    pub fn ready(&self) -> Result<usize, Wrong> {
        match (self.ready, self.wrong) {
            (0, Some(wrong)) => Err(wrong),
            (bytes, _) => Ok(bytes),
        }
    }

    /// Takes so many of those bytes at the most.
    pub fn take(&mut self, bytes_max: usize) -> BytesMut {
        let taken = self.ready.min(bytes_max);
        self.ready -= taken;
        self.waiting.split_to(taken)
    }
}

/// The length of the message at the front, if it is there as a whole.
fn next(bytes: &[u8], is_started: bool) -> Result<Option<usize>, Wrong> {
    let head = usize::from(is_started);
    let Some(length) = bytes.get(head..head + 4) else { return Ok(None) };
    let length = u32::from_be_bytes([length[0], length[1], length[2], length[3]]) as usize;
    if length < 4 {
        return Err("a message says that it is shorter than its own length");
    }
    if length > if is_started { MESSAGE_BYTES_MAX } else { STARTUP_BYTES_MAX } {
        return Err("a message is too long: at the most 1 MiB, and 10,000 bytes for the first one");
    }
    let Some(body) = bytes.get(head + 4..head + length) else { return Ok(None) };
    match is_started {
        true => message(bytes[0], body)?,
        false => startup(body)?,
    }
    Ok(Some(head + length))
}

/// The first message: a version and pairs of texts, or a request to cancel.
fn startup(mut body: &[u8]) -> Result<(), Wrong> {
    const WRONG: Wrong = "the first message is not one of PostgreSQL's protocol";
    let version = body.try_get_u32().map_err(|_| WRONG)?;
    if version == CANCEL {
        // A number and a secret.
        return if (8..=260).contains(&body.len()) { Ok(()) } else { Err(WRONG) };
    }
    loop {
        if text(&mut body).ok_or(WRONG)? == 0 {
            return if body.is_empty() { Ok(()) } else { Err(WRONG) };
        }
        text(&mut body).ok_or(WRONG)?;
    }
}

/// Any later message, by its letter.
fn message(kind: u8, mut body: &[u8]) -> Result<(), Wrong> {
    let part = &mut body;
    let (is_whole, wrong) = match kind {
        b'Q' => (text(part), "a query does not end where its message ends"),
        b'P' => (parse(part), "a Parse message does not fit its length"),
        b'B' => (bind(part)?, "a Bind message does not fit its length"),
        b'D' | b'C' => (named(part), "a Describe or Close message does not fit its length"),
        b'E' => (text(part).and_then(|_| skip(part, 4)), "an Execute message does not fit its length"),
        b'H' | b'S' | b'X' | b'c' => (Some(0), "a message without content has some"),
        b'f' => (text(part), "a CopyFail message does not fit its length"),
        // Bytes that nobody asked for: whoever reads them takes the message as it is.
        b'd' | b'p' => return Ok(()),
        _ => return Err("a message is of a kind that PostgreSQL's protocol does not have"),
    };
    if is_whole.is_some() && body.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A name, a query, and the types of parameters.
fn parse(body: &mut &[u8]) -> Option<usize> {
    text(body)?;
    text(body)?;
    let types = usize::from(body.try_get_u16().ok()?);
    skip(body, types * 4)
}

/// `S` or `P`, and a name.
fn named(body: &mut &[u8]) -> Option<usize> {
    body.try_get_u8().ok()?;
    text(body)
}

/// Two names, how parameters are written, the parameters, and how results are wanted.
fn bind(body: &mut &[u8]) -> Result<Option<usize>, Wrong> {
    let Some((formats, parameters)) = parameters(body) else { return Ok(None) };
    if formats > 1 && formats != parameters {
        return Err("a Bind message says for some parameters only how they are written");
    }
    let results = body.try_get_u16().ok();
    Ok(results.and_then(|results| skip(body, usize::from(results) * 2)))
}

/// How many formats and how many parameters there are.
fn parameters(body: &mut &[u8]) -> Option<(usize, usize)> {
    text(body)?;
    text(body)?;
    let formats = usize::from(body.try_get_u16().ok()?);
    skip(body, formats * 2)?;
    let parameters = usize::from(body.try_get_u16().ok()?);
    for _ in 0..parameters {
        // NULL has the length -1.
        if let Ok(length) = usize::try_from(body.try_get_i32().ok()?) {
            skip(body, length)?;
        }
    }
    Some((formats, parameters))
}

/// Passes over a text that ends with a zero; how long it is.
fn text(body: &mut &[u8]) -> Option<usize> {
    let length = body.iter().position(|b| *b == 0)?;
    *body = &body[length + 1..];
    Some(length)
}

fn skip(body: &mut &[u8], bytes: usize) -> Option<usize> {
    *body = body.get(bytes..)?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pgwire::messages::{DecodeContext, PgWireFrontendMessage};

    /// A message: its letter, its length, its content.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        [&[kind][..], &(body.len() as u32 + 4).to_be_bytes(), body].concat()
    }

    /// One of each kind that clients send.
    fn all() -> Vec<Vec<u8>> {
        vec![
            message(b'Q', b"SELECT 1\0"),
            message(b'P', b"name\0SELECT $1, $2\0\0\x02\0\0\0\x17\0\0\0\x14"),
            message(b'P', b"\0\0\0\0"),
            message(
                b'B',
                b"portal\0name\0\0\x02\0\x01\0\0\0\x02\0\0\0\x04\0\0\0\x07\xff\xff\xff\xff\0\x01\0\x01",
            ),
            message(b'B', b"\0\0\0\0\0\x01\0\0\0\0\0\0"),
            message(b'D', b"Sname\0"),
            message(b'C', b"Pportal\0"),
            message(b'E', b"portal\0\0\0\0\x64"),
            message(b'H', b""),
            message(b'S', b""),
            message(b'X', b""),
            message(b'c', b""),
            message(b'f', b"why\0"),
            message(b'd', b"anything"),
            message(b'p', b"secret\0"),
        ]
    }

    fn started() -> Frames {
        Frames { is_started: true, ..Frames::default() }
    }

    /// What the decoder makes of all that was let through; it has to take every byte of it.
    fn decoded(mut frames: Frames) -> usize {
        let mut bytes = frames.take(usize::MAX);
        let mut context = DecodeContext::default();
        (context.awaiting_frontend_ssl, context.awaiting_frontend_startup) = (false, false);
        let mut count = 0;
        while let Ok(Some(_)) = PgWireFrontendMessage::decode(&mut bytes, &context) {
            count += 1;
        }
        assert!(bytes.is_empty(), "{bytes:?} is left over");
        count
    }

    #[test]
    fn whole_messages_pass_however_they_come() {
        let all = all();
        for step in [1, 2, 3, 7, usize::MAX] {
            let mut frames = started();
            for part in all.concat().chunks(step.min(1 << 20)) {
                frames.push(part);
            }
            assert_eq!((frames.ready(), frames.waiting.len()), (Ok(frames.ready), frames.ready));
            assert_eq!(decoded(frames), all.len());
        }
    }

    /// A message cut off anywhere, with the length of what is left, alone and with another one behind it: refused, or
    /// decoded to its last byte. Before there was this file most of these were panics, or ate the message behind.
    #[test]
    fn messages_that_end_early_never_reach_the_decoder() {
        let sync = message(b'S', b"");
        for whole in all() {
            for end in 5..whole.len() {
                let cut = message(whole[0], &whole[5..end]);
                for bytes in [cut.clone(), [cut, sync.clone(), sync.clone()].concat()] {
                    let mut frames = started();
                    frames.push(&bytes);
                    match frames.wrong {
                        None => assert_eq!(decoded(frames), 1 + 2 * usize::from(bytes.len() > end)),
                        Some(_) => assert!(frames.ready().is_err(), "{whole:?} until {end}"),
                    }
                }
            }
        }
    }

    /// Each byte of each message with each value: no panic, and what passes is decoded to its last byte.
    #[test]
    fn changed_bytes_do_no_harm() {
        for whole in all() {
            for at in 0..whole.len() {
                for value in 0..=u8::MAX {
                    let mut bytes = whole.clone();
                    bytes[at] = value;
                    let mut frames = started();
                    frames.push(&bytes);
                    decoded(frames);
                }
            }
        }
    }

    #[test]
    fn first_messages() {
        let first = |body: &[u8]| [&(body.len() as u32 + 4).to_be_bytes(), body].concat();
        for (body, is_right) in [
            (&b"\0\x03\0\0user\0anyone\0\0"[..], true),
            (b"\0\x03\0\0\0", true),
            (b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02", true),
            (b"\x04\xd2\x16\x2e\0\0\0\x01\0\0\0", false),
            (b"\0\x03\0\0user\0anyone\0", false),
            (b"\0\x03\0\0user\0anyone", false),
            (b"\0\x03\0\0user\0\0\0more\0\0", false),
            (b"\0\x03\0", false),
            (b"", false),
        ] {
            let mut frames = Frames::default();
            frames.push(&first(body));
            assert_eq!(frames.ready().is_ok_and(|n| n > 0), is_right, "{body:?}");
        }
        let mut frames = Frames::default();
        frames.push(b"GET / HTTP/1.1\r\n");
        assert!(frames.ready().is_err_and(|wrong| wrong.contains("too long")));
    }

    #[test]
    fn what_came_before_a_wrong_message_is_still_taken() {
        let mut frames = started();
        frames.push(&[message(b'S', b""), message(b'Q', b"no end")].concat());
        assert_eq!((frames.ready(), frames.take(3).len(), frames.take(3).len()), (Ok(5), 3, 2));
        assert_eq!(frames.ready(), Err("a query does not end where its message ends"));
        frames.push(&message(b'S', b""));
        assert!(frames.ready().is_err());
    }
}
