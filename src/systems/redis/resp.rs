//! The Redis protocol, as far as clients and operators here speak it: one connection, one
//! request at a time, nothing sent twice and nothing opened anew behind anybody's back. A
//! library would bring pipelines, pools and reconnection to switch off; this is a page.

use std::net::SocketAddr;
use std::pin::Pin;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Text(String),
    /// A refusal, in its words.
    Error(String),
    Number(i64),
    Nil,
    List(Vec<Said>),
}

impl Said {
    /// A text, or a number as text.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            Self::Error(_) | Self::Nil | Self::List(_) => None,
        }
    }

    pub(super) fn list(&self) -> &[Self] {
        match self {
            Self::List(items) => items,
            Self::Text(_) | Self::Error(_) | Self::Number(_) | Self::Nil => &[],
        }
    }
}

/// A connection to a server.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a command and waits for its answer. After an error the connection is of no use.
    pub(super) async fn ask(&mut self, words: &[&str]) -> std::io::Result<Said> {
        self.stream.write_all(&encode(words)).await?;
        self.read().await
    }

    /// Sends commands at once, and waits for the answers to all of them; the last one.
    pub(super) async fn ask_all(&mut self, commands: &[Vec<String>]) -> std::io::Result<Said> {
        let words =
            |command: &Vec<String>| encode(&command.iter().map(String::as_str).collect::<Vec<_>>());
        let bytes: Vec<u8> = commands.iter().flat_map(words).collect();
        self.stream.write_all(&bytes).await?;
        let mut last = Said::Nil;
        for _ in commands {
            last = self.read().await?;
        }
        Ok(last)
    }

    fn read(&mut self) -> Pin<Box<dyn Future<Output = std::io::Result<Said>> + Send + '_>> {
        Box::pin(async move {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end_matches(['\r', '\n']);
            let odd = || std::io::Error::other(format!("not understood: {line:?}"));
            let mut chars = line.chars();
            let kind = chars.next().ok_or_else(odd)?;
            let rest = chars.as_str();
            let number = || rest.parse::<i64>().map_err(|_| odd());
            Ok(match kind {
                '+' => Said::Text(rest.to_owned()),
                '-' => Said::Error(rest.to_owned()),
                ':' => Said::Number(number()?),
                '$' => match usize::try_from(number()?) {
                    Err(_) => Said::Nil,
                    Ok(length) => {
                        let mut bytes = vec![0; length + 2];
                        self.stream.read_exact(&mut bytes).await?;
                        bytes.truncate(length);
                        Said::Text(String::from_utf8_lossy(&bytes).into_owned())
                    }
                },
                '*' => match usize::try_from(number()?) {
                    Err(_) => Said::Nil,
                    Ok(length) => {
                        let mut items = Vec::new();
                        for _ in 0..length {
                            items.push(self.read().await?);
                        }
                        Said::List(items)
                    }
                },
                _ => return Err(odd()),
            })
        })
    }
}

fn encode(words: &[&str]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n{word}\r\n", word.len()).into_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn answers_of_every_kind_are_read_and_an_end_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut seen = vec![0; encode(&["GET", "r1"]).len()];
            stream.read_exact(&mut seen).await.unwrap();
            stream
                .write_all(b"*5\r\n$2\r\nr1\r\n:7\r\n$-1\r\n-READONLY no\r\n+OK\r\n")
                .await
                .unwrap();
            seen
        });
        let mut connection = Connection::open(address).await.unwrap();
        let said = connection.ask(&["GET", "r1"]).await.unwrap();
        let expected = [
            Said::Text("r1".into()),
            Said::Number(7),
            Said::Nil,
            Said::Error("READONLY no".into()),
            Said::Text("OK".into()),
        ];
        assert_eq!(said.list(), expected);
        assert_eq!(server.await.unwrap(), b"*2\r\n$3\r\nGET\r\n$2\r\nr1\r\n");
        assert!(connection.ask(&["GET", "r1"]).await.is_err());
    }
}
