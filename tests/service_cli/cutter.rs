//! A way to a service on which things go wrong: connections end early, an answer is lost.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

pub struct Cutter {
    pub url: String,
    count: Arc<AtomicUsize>,
}

impl Cutter {
    /// Before the service at `url`; each connection carries at most `limit` bytes in either direction. Counts what it cut.
    pub fn before(url: &str, limit: usize) -> Self {
        Self::on_the_way(url, move |client, server, count| {
            for (from, to) in [(&client, &server), (&server, &client)] {
                let (from, to, count) = (from.try_clone().unwrap(), to.try_clone().unwrap(), count.clone());
                thread::spawn(move || {
                    let mut carried = 0;
                    pass(from, to, |bytes| {
                        carried += bytes.len();
                        let is_over = carried > limit;
                        count.fetch_add(usize::from(is_over), Ordering::SeqCst);
                        !is_over
                    });
                });
            }
        })
    }

    /// Before the service at `url`; the answer to the first request that begins so is lost. Counts these requests.
    pub fn losing(url: &str, request: &'static str) -> Self {
        Self::on_the_way(url, move |client, server, count| {
            let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            let (count, lost) = (count.clone(), Arc::new(AtomicBool::new(false)));
            let is_lost = lost.clone();
            thread::spawn(move || {
                pass(from, to, |bytes| {
                    let is_it = bytes.starts_with(request.as_bytes());
                    lost.fetch_or(is_it && count.fetch_add(1, Ordering::SeqCst) == 0, Ordering::SeqCst);
                    true
                });
            });
            thread::spawn(move || pass(server, client, |_| !is_lost.load(Ordering::SeqCst)));
        })
    }

    fn on_the_way(url: &str, connect: impl Fn(TcpStream, TcpStream, &Arc<AtomicUsize>) + Send + 'static) -> Self {
        let to = url.strip_prefix("http://").unwrap().to_string();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(&to)) else { return };
                connect(client, server, &counted);
            }
        });
        Self { url, count }
    }

    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Passes on what comes, as long as `goes_on` says so; then both ends are closed.
fn pass(mut from: TcpStream, mut to: TcpStream, mut goes_on: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        if !goes_on(&buffer[..read]) || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
