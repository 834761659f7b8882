//! The integrity reports of this vault, kept with its records: `reports/<number>`, from 1, in 20 digits.

use careledger_sdk::vault::{IntegrityReport, SignedRequest};
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutPayload};

use super::{Store, StoreError};

const REPORTS: &str = "reports";

impl Store {
    /// Keeps a signed report behind the others. One check runs at a time.
    ///
    /// # Errors
    /// [`StoreError::Objects`].
    pub async fn keep_report(&self, signed: &SignedRequest<IntegrityReport>) -> Result<(), StoreError> {
        let names = self.report_names().await?;
        let last = names.last().and_then(|path| path.filename());
        let number = last.map_or(Some(0), |name| name.parse::<u64>().ok());
        let damaged = || StoreError::Damaged(REPORTS.to_owned());
        let next = number
            .and_then(|number| number.checked_add(1))
            .ok_or_else(damaged)?;
        let path = Path::from(REPORTS).join(format!("{next:020}"));
        let json = serde_json::to_vec(signed).map_err(|_| StoreError::Damaged(path.to_string()))?;
        let created = PutMode::Create.into();
        self.objects
            .put_opts(&path, PutPayload::from(json), created)
            .await?;
        Ok(())
    }

    /// The reports that are kept, oldest first.
    ///
    /// # Errors
    /// [`StoreError::Objects`], and [`StoreError::Damaged`] for one that cannot be read.
    pub async fn reports(&self) -> Result<Vec<SignedRequest<IntegrityReport>>, StoreError> {
        let mut reports = Vec::new();
        for path in self.report_names().await? {
            reports.push(self.report(&path).await?);
        }
        Ok(reports)
    }

    /// The newest report that is kept.
    ///
    /// # Errors
    /// As [`reports`](Self::reports).
    pub async fn last_report(&self) -> Result<Option<SignedRequest<IntegrityReport>>, StoreError> {
        match self.report_names().await?.last() {
            Some(path) => self.report(path).await.map(Some),
            None => Ok(None),
        }
    }

    async fn report_names(&self) -> Result<Vec<Path>, StoreError> {
        let mut names: Vec<Path> = self
            .objects
            .list(Some(&Path::from(REPORTS)))
            .map_ok(|object| object.location)
            .try_collect()
            .await?;
        names.sort();
        Ok(names)
    }

    async fn report(&self, path: &Path) -> Result<SignedRequest<IntegrityReport>, StoreError> {
        let bytes = self.objects.get(path).await?.bytes().await?;
        serde_json::from_slice(&bytes).map_err(|_| StoreError::Damaged(path.to_string()))
    }
}
