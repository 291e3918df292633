//! SQL over what is kept: a text to a checked, read-only plan, and the plan to a stream of rows, over an immutable view and
//! within limits. DataFusion and the PostgreSQL wire protocol are quarantined here.
//!
//! It must never know of HTTP, settings files or the clock of the host, open a file, or write anything.
