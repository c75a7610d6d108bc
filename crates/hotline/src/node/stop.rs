//! Owns the end of a switch: calls first, then what they were made of.

use std::time::Duration;

use model::event::{Event, NodeFact};
use tokio::sync::oneshot;

use super::{ENDING, Node, Running};

impl Node {
    /// Takes no new calls, waits for those in progress until they have ended, `patience` is over or `hurry` is done, and
    /// releases the rest, each with its record and recording.
    pub async fn stop(self, patience: Duration, hurry: impl Future<Output = ()>) {
        self.boxes.post_all(|| call::Input::Drain);
        tokio::select! {
            () = self.until(patience, Part::CallsUp) => {}
            () = hurry => tracing::warn!("立即停止 / stopping at once"),
        }
        self.boxes.post_all(|| call::Input::Shutdown);
        // BYEs are sent; their answers are waited for, as long as a retransmission takes to be answered.
        self.until(GOODBYES, Part::CallsInMemory).await;
        // Calls are over and counted; nobody signs in or out by the end of the switch.
        self.keeper.save().await;
        let Node { reloader, transports, store, boxes, shards, folder, tasks, closing, .. } = self;
        closing.send_replace(Running::Ending);
        transports.close_streams();
        for inbox in boxes.iter() {
            inbox.stop();
        }
        reloader.registrations.stop();
        reloader.tenants.stop();
        let media = reloader.media.clone();
        let journal = reloader.journal.clone();
        let ended = tokio::task::spawn_blocking(move || {
            for shard in shards {
                shard.join();
            }
            // Recordings are closed and finished; their facts are the last but one.
            media.shutdown();
            journal.append(Event::Node { fact: NodeFact::Stopped });
            if !journal.flush(ENDING) {
                tracing::error!("事件日志没有全部写入磁盘 / the journal is not wholly on disk");
            }
            folder.stop();
        });
        if let Err(error) = ended.await {
            tracing::error!(%error, "停止过程出错 / stopping panicked");
        }
        if !reloader.hooks.finish(ENDING).await {
            tracing::warn!("部分钩子未完成 / some hooks are not done");
        }
        for task in tasks {
            let finish = task.abort_handle();
            if tokio::time::timeout(ENDING, task).await.is_err() {
                finish.abort();
            }
        }
        store.close().await;
    }

    /// Waits until nothing of `part` is left, at most `limit`.
    async fn until(&self, limit: Duration, part: Part) {
        let mut told = tokio::time::Instant::now();
        let deadline = told + limit;
        loop {
            let (left, now) = (self.left(part).await, tokio::time::Instant::now());
            if left == 0 || now >= deadline {
                return;
            }
            if now >= told + TELL_EVERY {
                tracing::info!(
                    left,
                    seconds = (deadline - now).as_secs(),
                    "等待通话结束 / waiting for calls to end"
                );
                told = now;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn left(&self, part: Part) -> usize {
        let mut left = 0;
        for inbox in self.boxes.iter() {
            let (answer, answered) = oneshot::channel();
            // Nobody else can take the answer: a dropped receiver means that this wait was cut short.
            inbox.ask(move |shard| {
                let _ = answer.send(match part {
                    Part::CallsUp => shard.live_calls().count(),
                    Part::CallsInMemory => shard.live().calls + shard.trunks_leaving(),
                });
            });
            left += answered.await.unwrap_or(0);
        }
        left
    }
}

#[derive(Clone, Copy, Debug)]
enum Part {
    CallsUp,
    CallsInMemory,
}

const GOODBYES: Duration = Duration::from_secs(2);
/// How often an operator who waits is told.
const TELL_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(50);
