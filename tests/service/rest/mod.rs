//! REST, over a server of the library in this process, on a port of its own.

mod flows;
mod matrix;
mod postgres_flow;
mod problems;
mod promises;
mod repeats;
mod server;
mod sessions;
mod stream;
mod table;
mod transfers;
