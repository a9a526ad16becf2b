//! Sources: one folder a kind of instance. [`kind`] says what each has to be able to do; [`kinds`] lists them all.

pub mod access;
pub mod files;
pub mod kind;
pub mod kinds;
pub mod loaded;
pub mod mariadb;
pub mod members;
pub mod neo4j;
pub mod open_file;
mod password;
pub mod postgres;
pub mod program;
pub mod redis;
pub mod sqlite;
pub mod stored;
pub mod swap;
pub mod url;
