//! Questions about coverages: a provider's front desk asks, and the payer's desk answers.

use std::time::Duration;

use careledger_api::HealthError;
use careledger_api::contracts::claims::{
    EligibilityQuestion, EligibilityView, ListedQuestion, QuestionBatch, QuestionQuery, QuestionStatus,
    QuestionStep,
};
use careledger_api::ids::QuestionId;
use fabric_contract_core::CallError;
use futures::future::ready;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::time::{Instant, sleep};

use super::again::{self, Tried, again};
use super::{Desk, TRIES, stands};
use crate::wallet::salt;
use crate::{HealthCallError, HealthClient};

/// What became of a question.
#[derive(Debug)]
pub struct Replied {
    /// The question.
    pub question: QuestionId,
    /// Whose it is, by MSP id.
    pub provider: String,
    /// How often it met another transaction and was made anew.
    pub conflicts: u32,
    /// The transaction of the answer and its block, or why there is none. Nothing where it was answered before.
    pub result: Result<Option<(String, u64)>, HealthCallError>,
}

impl Desk {
    /// The questions of a provider that wait for an answer, the oldest first.
    pub async fn questions(&self, provider: &str) -> Result<Vec<ListedQuestion>, HealthCallError> {
        let mut found = Vec::new();
        let mut query = QuestionQuery {
            open: true,
            after: None,
        };
        loop {
            let claims = self.client.claims();
            let asked = claims.eligibility_questions(&self.payer, provider, query);
            let part = asked.endorsed_by([&self.payer]).send().await?;
            found.extend(part.questions);
            match part.next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        found.sort_by_key(|question| (question.asked, question.question));
        Ok(found)
    }

    /// Answers a question by what the payer knows; the contract computes it.
    pub async fn reply(&self, provider: &str, question: QuestionId) -> Replied {
        let send = || async move {
            let step = QuestionStep {
                question,
                salt: salt(),
            };
            let claims = self.client.claims();
            let sent = claims
                .answer_eligibility(&self.payer, provider, step)
                .send()
                .await;
            match sent {
                Ok(done) => Ok(Some((done.tx_id, done.block_number))),
                // Answered already: by a try whose answer was lost, or by somebody else.
                Err(refused) if stands(&refused) => {
                    let view = view(&self.client, (&self.payer, provider), &self.payer, question).await?;
                    match view.status {
                        QuestionStatus::Answered => Ok(None),
                        _ => Err(refused),
                    }
                }
                Err(error) => Err(error),
            }
        };
        let Tried { conflicts, result } = again(self.tries, again::pause, send).await;
        Replied {
            question,
            provider: provider.to_owned(),
            conflicts,
            result,
        }
    }

    /// Answers questions of a provider, several at once; they come as they are answered. Work goes on only while the stream is polled; at a desk that was
    /// stopped nothing more is begun.
    pub fn replies(
        &self,
        provider: &str,
        questions: impl IntoIterator<Item = QuestionId>,
    ) -> BoxStream<'static, Replied> {
        let provider = provider.to_owned();
        let questions: Vec<QuestionId> = questions.into_iter().collect();
        let desk = self.clone();
        let one = move |question| {
            let (desk, provider) = (desk.clone(), provider.clone());
            async move { desk.reply(&provider, question).await }
        };
        let stopped = self.clone();
        stream::iter(questions)
            .take_while(move |_| ready(!stopped.is_stopped()))
            .map(one)
            .buffer_unordered(self.together)
            .boxed()
    }

    /// Destroys answers to a provider that are over ([`QUESTION_DAYS`](careledger_api::contracts::claims::QUESTION_DAYS)), of those at the beginning and at a
    /// random place: whoever does it now and then comes by all. How many there were.
    pub async fn forget(&self, provider: &str) -> Result<usize, HealthCallError> {
        let mut count = 0;
        for after in places() {
            let over = over(&self.client, (&self.payer, provider), &self.payer, after).await?;
            count += over.len();
            let batch = || QuestionBatch {
                questions: over.iter().copied().collect(),
                salt: salt(),
            };
            let send = || async {
                let claims = self.client.claims();
                gone(claims.drop_answers(&self.payer, provider, batch()).send().await)
            };
            if !over.is_empty() {
                again(self.tries, again::pause, send).await.result?;
            }
        }
        Ok(count)
    }
}

/// A provider's front desk at one payer.
#[derive(Debug, Clone)]
pub struct FrontDesk {
    client: HealthClient,
    payer: String,
    provider: String,
}

impl FrontDesk {
    /// The front desk of the provider with that MSP id, as whoever `client` is: role `provider-billing`.
    pub fn new(client: HealthClient, payer: impl Into<String>, provider: impl Into<String>) -> Self {
        Self {
            client,
            payer: payer.into(),
            provider: provider.into(),
        }
    }

    /// Asks; the same question again changes nothing. Gives the transaction and its block.
    pub async fn ask(&self, question: &EligibilityQuestion) -> Result<(String, u64), HealthCallError> {
        let send = || async {
            let claims = self.client.claims();
            let asked = claims.ask_eligibility(&self.payer, &self.provider, question.clone());
            let done = asked.send().await?;
            Ok((done.tx_id, done.block_number))
        };
        again(TRIES, again::pause, send).await.result
    }

    /// A question, with its answer once there is one.
    pub async fn look(&self, question: QuestionId) -> Result<EligibilityView, HealthCallError> {
        view(&self.client, self.pair(), &self.provider, question).await
    }

    /// Looks for the answer until it is there, or for so long; the question as it then stands. `between` two looks the peer is left alone.
    pub async fn wait(
        &self,
        question: QuestionId,
        longest: Duration,
        between: Duration,
    ) -> Result<EligibilityView, HealthCallError> {
        let end = Instant::now() + longest;
        loop {
            let view = self.look(question).await?;
            let left = end.saturating_duration_since(Instant::now());
            if view.status != QuestionStatus::Open || left.is_zero() {
                return Ok(view);
            }
            sleep(between.min(left)).await;
        }
    }

    /// Takes questions back, answered or not: they are destroyed.
    pub async fn withdraw(
        &self,
        questions: impl IntoIterator<Item = QuestionId>,
    ) -> Result<(), HealthCallError> {
        let batch = QuestionBatch {
            questions: questions.into_iter().collect(),
            salt: salt(),
        };
        let send = || async {
            let claims = self.client.claims();
            let dropped = claims.drop_questions(&self.payer, &self.provider, batch.clone());
            gone(dropped.send().await)
        };
        again(TRIES, again::pause, send).await.result
    }

    /// Destroys questions of the provider that are over, as [`Desk::forget`] does answers; how many there were.
    pub async fn forget(&self) -> Result<usize, HealthCallError> {
        let mut count = 0;
        for after in places() {
            let over = over(&self.client, self.pair(), &self.provider, after).await?;
            count += over.len();
            if !over.is_empty() {
                self.withdraw(over).await?;
            }
        }
        Ok(count)
    }

    fn pair(&self) -> (&str, &str) {
        (&self.payer, &self.provider)
    }
}

/// What is gone already was dropped by a try whose answer was lost, or by somebody else.
fn gone<T>(dropped: Result<T, HealthCallError>) -> Result<(), HealthCallError> {
    match dropped {
        Ok(_) | Err(CallError::Contract(HealthError::NotFound)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Where is looked for what is over.
fn places() -> [Option<QuestionId>; 2] {
    [None, Some(QuestionId::from_bytes(rand::random()))]
}

async fn over(
    client: &HealthClient,
    (payer, provider): (&str, &str),
    own: &str,
    after: Option<QuestionId>,
) -> Result<Vec<QuestionId>, HealthCallError> {
    let claims = client.claims();
    let query = QuestionQuery { open: false, after };
    let asked = claims.eligibility_over(payer, provider, query);
    asked.endorsed_by([own]).send().await
}

async fn view(
    client: &HealthClient,
    (payer, provider): (&str, &str),
    own: &str,
    question: QuestionId,
) -> Result<EligibilityView, HealthCallError> {
    let claims = client.claims();
    let asked = claims.eligibility_answer(payer, provider, question);
    asked.endorsed_by([own]).send().await
}
