//! Tests of the code itself: who may import whom, who may name which heavy library, how long a file may be, and
//! what every file has to say about itself. It holds no product code.

#[cfg(test)]
mod features;
#[cfg(test)]
mod tests;
