//! A mail server that speaks as much of SMTP (RFC 5321) as a client needs, and takes or refuses mail as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

#[derive(Clone, Debug)]
pub struct Taken {
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
}

#[derive(Default)]
struct Box {
    taken: Vec<Taken>,
    /// What `RCPT TO` is answered, one after the other, then 250.
    answers: VecDeque<&'static str>,
    connections: usize,
}

pub struct SmtpServer {
    pub address: SocketAddr,
    inner: Arc<Mutex<Box>>,
}

impl SmtpServer {
    pub fn start(answers: &[&'static str]) -> Self {
        let inner = Arc::new(Mutex::new(Box { answers: answers.iter().copied().collect(), ..Box::default() }));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = inner.clone();
        // It ends with the test program.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = shared.clone();
                thread::spawn(move || talk(stream, &shared));
            }
        });
        Self { address, inner }
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.inner.lock().unwrap().taken.clone()
    }

    pub fn connections(&self) -> usize {
        self.inner.lock().unwrap().connections
    }
}

fn talk(stream: TcpStream, shared: &Mutex<Box>) -> Option<()> {
    shared.lock().unwrap().connections += 1;
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut out = stream;
    let mut say = move |text: &str| out.write_all(format!("{text}\r\n").as_bytes()).ok();
    let mut mail = Taken { from: String::new(), to: Vec::new(), text: String::new() };
    say("220 test ESMTP")?;
    while let Some(Ok(line)) = lines.next() {
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("EHLO") {
            say("250-test\r\n250 8BITMIME")?;
        } else if let Some(from) = upper.strip_prefix("MAIL FROM:") {
            mail.from = from.to_string();
            say("250 ok")?;
        } else if upper.starts_with("RCPT TO:") {
            let answer = shared.lock().unwrap().answers.pop_front().unwrap_or("250 ok");
            if answer.starts_with("250") {
                mail.to.push(line["RCPT TO:".len()..].to_string());
            }
            say(answer)?;
        } else if upper == "DATA" {
            say("354 go on")?;
            mail.text =
                lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect::<Vec<_>>().join("\n");
            shared.lock().unwrap().taken.push(mail.clone());
            say("250 taken")?;
        } else if upper == "QUIT" {
            say("221 bye")?;
            return Some(());
        } else {
            say("250 ok")?;
        }
    }
    Some(())
}
