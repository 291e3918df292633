//! A link between two services that loses packets when told to: a TCP relay, because not every machine lets a
//! program have a lossy network. It must never change a byte.
//!
//! A lost segment is seen by a program as a pause of one retransmission timeout (200 ms at least on Linux, doubled
//! each time: RFC 6298), for the kernel repeats it; that pause is what is made here.

use crate::clock::Chance;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// What the link does to segments.
#[derive(Default)]
pub struct Quality {
    /// Segments in a hundred that are lost.
    pub loss_percent: AtomicU64,
}

/// Relays connections to `target`; a line `loss N` to `control` sets the loss.
pub async fn relay(listener: TcpListener, control: TcpListener, target: String) -> std::io::Result<()> {
    let quality = Arc::new(Quality::default());
    let chance = Arc::new(Chance::new());
    let told = quality.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = control.accept().await {
            let mut line = [0; 32];
            let read = stream.read(&mut line).await.unwrap_or(0);
            let text = String::from_utf8_lossy(&line[..read]);
            if let Some(percent) = text.trim().strip_prefix("loss ").and_then(|n| n.parse::<u64>().ok()) {
                told.loss_percent.store(percent.min(90), Ordering::Relaxed);
            }
            let answer = format!("loss {}\n", told.loss_percent.load(Ordering::Relaxed));
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    loop {
        let (near, _) = listener.accept().await?;
        let (target, quality, chance) = (target.clone(), quality.clone(), chance.clone());
        tokio::spawn(async move {
            let Ok(far) = TcpStream::connect(&target).await else { return };
            let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
            let there = tokio::spawn(carry(near_in, far_out, quality.clone(), chance.clone()));
            carry(far_in, near_out, quality, chance).await;
            there.abort();
        });
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, quality: Arc<Quality>, chance: Arc<Chance>) {
    let mut segment = [0; 1_448];
    while let Ok(read) = from.read(&mut segment).await
        && read > 0
    {
        let mut timeout = Duration::from_millis(200);
        while chance.below(100) < quality.loss_percent.load(Ordering::Relaxed) {
            tokio::time::sleep(timeout).await;
            timeout = (timeout * 2).min(Duration::from_secs(4));
        }
        if to.write_all(&segment[..read]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}
