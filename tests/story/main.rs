//! Stories: what people do with a store, on real files, in real processes.

mod log_and_read;
