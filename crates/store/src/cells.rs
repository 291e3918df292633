//! Bytes of many series that grow a little at a time, in one place: chains of small cells in large pages. A series wastes
//! half a cell, and when the head goes its pages go as a whole. It must never move a cell, nor know what the bytes mean.

/// Bytes of a cell that hold something; the other four name the next.
const CELL_BYTES: usize = 28;
/// Cells of one page: large enough for the allocator to give it back to the system by itself.
const PAGE_CELLS: usize = 2048;

#[derive(Clone, Copy)]
struct Cell {
    bytes: [u8; CELL_BYTES],
    /// Its number and one more; of the last of a chain it means nothing.
    next: u32,
}

/// Where the bytes of one series lie. Without bytes it names no cell.
#[derive(Clone, Copy, Default)]
pub struct Chain {
    first: u32,
    last: u32,
    bytes: u32,
}

/// The cells of all.
#[derive(Default)]
pub struct Cells {
    pages: Vec<Box<[Cell]>>,
    /// Cells that were given out at some time.
    begun: u32,
    /// Bytes of cells that are in chains now.
    bytes: usize,
    /// The first of those that are free again, and one more; 0 if there is none.
    free: u32,
    /// For whoever makes what is pushed.
    pub scratch: Vec<u8>,
}

impl Chain {
    /// Without bytes.
    pub const EMPTY: Chain = Chain { first: 0, last: 0, bytes: 0 };
}

impl Cells {
    fn cell(&self, number: u32) -> &Cell {
        &self.pages[number as usize / PAGE_CELLS][number as usize % PAGE_CELLS]
    }

    fn cell_mut(&mut self, number: u32) -> &mut Cell {
        &mut self.pages[number as usize / PAGE_CELLS][number as usize % PAGE_CELLS]
    }

    fn take(&mut self) -> u32 {
        self.bytes += size_of::<Cell>();
        if let Some(number) = self.free.checked_sub(1) {
            self.free = self.cell(number).next;
            return number;
        }
        if self.begun as usize == self.pages.len() * PAGE_CELLS {
            let empty = Cell { bytes: [0; CELL_BYTES], next: 0 };
            self.pages.push(vec![empty; PAGE_CELLS].into());
        }
        self.begun += 1;
        self.begun - 1
    }

    /// Adds bytes at the end of a chain.
    pub fn push(&mut self, chain: &mut Chain, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = chain.bytes as usize % CELL_BYTES;
            if used == 0 {
                let new = self.take();
                match chain.bytes {
                    0 => chain.first = new,
                    _ => self.cell_mut(chain.last).next = new + 1,
                }
                chain.last = new;
            }
            let n = bytes.len().min(CELL_BYTES - used);
            let (now, later) = bytes.split_at(n);
            self.cell_mut(chain.last).bytes[used..used + n].copy_from_slice(now);
            chain.bytes += n as u32;
            bytes = later;
        }
    }

    /// Appends the bytes of a chain to `out`.
    pub fn read(&self, chain: &Chain, out: &mut Vec<u8>) {
        let (mut left, mut number) = (chain.bytes as usize, chain.first);
        out.reserve(left);
        while left > 0 {
            let (cell, n) = (self.cell(number), left.min(CELL_BYTES));
            out.extend_from_slice(&cell.bytes[..n]);
            (left, number) = (left - n, cell.next.wrapping_sub(1));
        }
    }

    /// The beginning of a chain, as much of it as is in one piece: at least 28 bytes, if it has so many.
    pub fn first(&self, chain: &Chain) -> &[u8] {
        let n = (chain.bytes as usize).min(CELL_BYTES);
        if n == 0 { &[] } else { &self.cell(chain.first).bytes[..n] }
    }

    /// Gives the cells of a chain back.
    pub fn clear(&mut self, chain: &mut Chain) {
        if chain.bytes > 0 {
            self.bytes -= (chain.bytes as usize).div_ceil(CELL_BYTES) * size_of::<Cell>();
            self.cell_mut(chain.last).next = self.free;
            self.free = chain.first + 1;
        }
        *chain = Chain::default();
    }

    /// Memory of the cells in chains, in bytes; what a page has besides is little.
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn chains_read_back_as_they_were_written(
            steps in prop::collection::vec((0..5usize, prop::collection::vec(any::<u8>(), 0..70)), 0..300),
        ) {
            let mut cells = Cells::default();
            let mut all = vec![(Chain::default(), Vec::new()); 5];
            for (which, bytes) in steps {
                let (chain, naive) = &mut all[which];
                if bytes.len() == 69 {
                    cells.clear(chain);
                    naive.clear();
                } else {
                    cells.push(chain, &bytes);
                    naive.extend(bytes);
                }
                let mut back = Vec::new();
                cells.read(chain, &mut back);
                prop_assert_eq!(&back, &*naive);
                prop_assert_eq!(cells.first(chain), &naive[..naive.len().min(CELL_BYTES)]);
            }
        }
    }

    #[test]
    fn cells_that_were_given_back_are_used_again() {
        let mut cells = Cells::default();
        let mut chains = vec![Chain::default(); 1000];
        for _ in 0..10 {
            chains.iter_mut().for_each(|chain| cells.push(chain, &[7; 50]));
            chains.iter_mut().for_each(|chain| cells.clear(chain));
        }
        assert_eq!((cells.pages.len(), cells.heap_bytes()), (1, 0));
    }
}
