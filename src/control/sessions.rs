//! The session desk's clerk: answers the edge's question "whose session is this?" from the databroker.

use std::time::Duration;

use super::clock::unix_now;
use super::databroker::Databroker;
use crate::link::desk::{Answer, DeskInbox, Question};

/// How often expired sessions are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Answers questions until the edge is gone.
pub async fn serve(mut inbox: DeskInbox, databroker: Databroker) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            question = inbox.recv() => match question {
                Some(question) => answer(question, &databroker).await,
                None => return,
            },
            _ = sweep.tick() => match databroker.sweep(unix_now()).await {
                Ok(0) => {}
                Ok(expired) => tracing::debug!(expired, "forgot expired sessions"),
                Err(error) => tracing::warn!(%error, "could not forget expired sessions"),
            },
        }
    }
}

/// A handle speaks for a session only when user and provider are those of the record, too.
async fn answer(question: Question, databroker: &Databroker) {
    let Question { handle, answer } = question;
    let now = unix_now();
    let found = match databroker.joined(&handle.session, now).await {
        _ if handle.expires_at <= now => Answer::NoSession,
        Ok(Some(session)) if *session.user_id == *handle.user && *session.idp_id == *handle.idp_id => {
            Answer::Session(session)
        }
        Ok(_) => Answer::NoSession,
        Err(error) => {
            tracing::warn!(%error, "a session could not be looked up");
            Answer::Unavailable
        }
    };
    // The edge may have stopped waiting.
    let _ = answer.send(found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::databroker::{Limits, SessionRecord, UserRecord};
    use crate::link::desk;
    use crate::plan::session::SessionHandle;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn only_live_sessions_of_the_same_person_are_answered() {
        runtime().block_on(async {
            let databroker = Databroker::memory(Limits::default());
            let (id, idp_id, user_id) = ("s".to_owned(), "idp".to_owned(), "alice".to_owned());
            let expires_at = unix_now() + 1000;
            let user = UserRecord { id: user_id.clone(), idp_id: idp_id.clone(), ..UserRecord::default() };
            let record = SessionRecord { id, idp_id, user_id, expires_at, ..SessionRecord::default() };
            databroker.put_session(record, user, unix_now()).await.unwrap();
            let (desk, inbox) = desk::desk();
            let clerk = tokio::spawn(serve(inbox, databroker.clone()));
            let good = SessionHandle {
                session: "s".into(),
                user: "alice".into(),
                idp_id: "idp".into(),
                issued_at: 0,
                expires_at,
            };
            let cases = [
                (good.clone(), true),
                (SessionHandle { session: "t".into(), ..good.clone() }, false),
                (SessionHandle { user: "bob".into(), ..good.clone() }, false),
                (SessionHandle { idp_id: "other".into(), ..good.clone() }, false),
                (SessionHandle { expires_at: unix_now(), ..good.clone() }, false),
            ];
            for (handle, expected) in cases {
                let answer = desk.ask(handle.clone()).unwrap().await.unwrap();
                assert_eq!(matches!(answer, Answer::Session(_)), expected, "{handle:?}");
            }
            databroker.delete_session("s").await.unwrap();
            assert!(matches!(desk.ask(good).unwrap().await.unwrap(), Answer::NoSession));
            drop(desk);
            clerk.await.unwrap();
        });
    }
}
