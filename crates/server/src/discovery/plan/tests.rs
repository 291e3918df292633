//! Tables of ports, answers and times.
