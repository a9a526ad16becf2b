//! A way to a service that ends each connection after so many bytes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

pub struct Cutter {
    pub url: String,
    cuts: Arc<AtomicUsize>,
}

impl Cutter {
    /// Before the service at `url`; each connection carries at most `limit` bytes in either direction.
    pub fn before(url: &str, limit: usize) -> Self {
        let to = url.strip_prefix("http://").unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let cuts = Arc::new(AtomicUsize::new(0));
        let counted = cuts.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&to)) else { return };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to, cuts) = (from.try_clone().unwrap(), to.try_clone().unwrap(), counted.clone());
                    thread::spawn(move || carry(from, to, limit, &cuts));
                }
            }
        });
        Self { url, cuts }
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, limit: usize, cuts: &AtomicUsize) {
    let (mut buffer, mut carried) = (vec![0; 16 << 10], 0);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        carried += read;
        if carried > limit {
            cuts.fetch_add(1, Ordering::SeqCst);
            break;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
