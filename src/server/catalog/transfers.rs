//! Files that come and go: uploads of dumps that are to be loaded, and exports that wait to be downloaded.

use sqlx::any::AnyRow;

use crate::error::{Error, Result};

use super::row::{Record, get};
use super::{Catalog, failed};

/// A dump that is being uploaded, or was.
#[derive(Debug, Clone)]
pub struct Upload {
    /// `l` and 16 hexadecimal digits; its file's name.
    pub id: String,
    /// Its account.
    pub account: String,
    /// The instance that it is for, by name.
    pub instance: String,
    /// The file's name, as its sender says.
    pub name: String,
    /// Its whole length, bytes, where the sender said so.
    pub length: Option<i64>,
    /// Bytes that are there, durably.
    pub received: i64,
    /// `receiving`, `complete`, `used`.
    pub status: String,
    /// When it was begun.
    pub created_us: i64,
    /// When its file goes.
    pub expires_us: i64,
    /// Who sends it.
    pub created_by: String,
}

impl Record for Upload {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            instance: get(row, "instance")?,
            name: get(row, "name")?,
            length: get(row, "length")?,
            received: get(row, "received")?,
            status: get(row, "status")?,
            created_us: get(row, "created_us")?,
            expires_us: get(row, "expires_us")?,
            created_by: get(row, "created_by")?,
        })
    }
}

/// An upload that is to be begun.
#[derive(Debug, Clone)]
pub struct NewUpload<'a> {
    /// Its account.
    pub account: &'a str,
    /// The instance that it is for, by name.
    pub instance: &'a str,
    /// The file's name.
    pub name: &'a str,
    /// Its whole length, bytes.
    pub length: Option<i64>,
    /// When its file goes.
    pub expires_us: i64,
    /// Who sends it.
    pub created_by: &'a str,
}

/// A snapshot as a file.
#[derive(Debug, Clone)]
pub struct Export {
    /// `e` and 16 hexadecimal digits; the beginning of its file's name.
    pub id: String,
    /// Its account.
    pub account: String,
    /// The snapshot.
    pub snapshot: String,
    /// The job that makes it.
    pub job: String,
    /// `dump`, `tar.gz`, …
    pub format: String,
    /// What it is called when it is downloaded; `None`: it is not made yet.
    pub file_name: Option<String>,
    /// Its length, bytes.
    pub bytes: Option<i64>,
    /// BLAKE3 of its bytes, hexadecimal.
    pub blake3: Option<String>,
    /// When it was asked for.
    pub created_us: i64,
    /// When its file goes.
    pub expires_us: i64,
}

impl Record for Export {
    fn read(row: &AnyRow) -> Result<Self> {
        Ok(Self {
            id: get(row, "id")?,
            account: get(row, "account")?,
            snapshot: get(row, "snapshot")?,
            job: get(row, "job")?,
            format: get(row, "format")?,
            file_name: get(row, "file_name")?,
            bytes: get(row, "bytes")?,
            blake3: get(row, "blake3")?,
            created_us: get(row, "created_us")?,
            expires_us: get(row, "expires_us")?,
        })
    }
}

impl Catalog {
    /// Enters an upload.
    pub async fn add_upload(&self, upload: NewUpload<'_>) -> Result<Upload> {
        let id = self.new_id('l');
        sqlx::query(
            "INSERT INTO uploads (id, account, instance, name, length, received, status, created_us, expires_us, created_by) \
             VALUES ($1, $2, $3, $4, $5, 0, 'receiving', $6, $7, $8)",
        )
        .bind(&id)
        .bind(upload.account)
        .bind(upload.instance)
        .bind(upload.name)
        .bind(upload.length)
        .bind(self.now_us())
        .bind(upload.expires_us)
        .bind(upload.created_by)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        self.upload(upload.account, &id).await
    }

    /// An upload of an account.
    pub async fn upload(&self, account: &str, id: &str) -> Result<Upload> {
        let query = sqlx::query("SELECT * FROM uploads WHERE account = $1 AND id = $2").bind(account).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        Upload::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no upload {id:?}")))
    }

    /// Enters how much of an upload is there, and what becomes of it.
    pub async fn set_upload(&self, id: &str, received: i64, status: &str) -> Result<()> {
        let query = sqlx::query("UPDATE uploads SET received = $2, status = $3 WHERE id = $1");
        query.bind(id).bind(received).bind(status).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// An account's uploads, newest first, at most `limit`.
    pub async fn uploads(&self, account: &str, limit: i64) -> Result<Vec<Upload>> {
        let query = sqlx::query(
            "SELECT * FROM uploads WHERE account = $1 AND expires_us > $3 ORDER BY created_us DESC, id LIMIT $2",
        );
        let query = query.bind(account).bind(limit).bind(self.now_us());
        Upload::all(query.fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Enters that an upload is complete. Returns whether it was not before: of two who say so one may go on.
    pub async fn claim_upload(&self, account: &str, id: &str) -> Result<bool> {
        let query = sqlx::query(
            "UPDATE uploads SET status = 'complete' WHERE account = $1 AND id = $2 AND status = 'receiving'",
        );
        let done = query.bind(account).bind(id).execute(&self.pool).await.map_err(failed)?;
        Ok(done.rows_affected() > 0)
    }

    /// Lets an upload's time be over, unless a job is loading it.
    pub async fn drop_upload(&self, account: &str, id: &str) -> Result<()> {
        let query =
            sqlx::query("UPDATE uploads SET expires_us = $3 WHERE account = $1 AND id = $2 AND status <> 'complete'");
        query.bind(account).bind(id).bind(self.now_us()).execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// Enters which job makes an export.
    pub async fn set_export_job(&self, account: &str, id: &str, job: &str) -> Result<Export> {
        let query = sqlx::query("UPDATE exports SET job = $3 WHERE account = $1 AND id = $2");
        query.bind(account).bind(id).bind(job).execute(&self.pool).await.map_err(failed)?;
        self.export(account, id).await
    }

    /// Enters an export that a job is going to make.
    pub async fn add_export(
        &self,
        id: &str,
        account: &str,
        (snapshot, format): (&str, &str),
        job: &str,
        expires_us: i64,
    ) -> Result<Export> {
        sqlx::query(
            "INSERT INTO exports (id, account, snapshot, job, format, created_us, expires_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(id)
        .bind(account)
        .bind(snapshot)
        .bind(job)
        .bind(format)
        .bind(self.now_us())
        .bind(expires_us)
        .execute(&self.pool)
        .await
        .map_err(failed)?;
        self.export(account, id).await
    }

    /// Enters that an export is made.
    pub async fn finish_export(&self, id: &str, file_name: &str, bytes: i64, blake3: &str) -> Result<()> {
        let query = sqlx::query("UPDATE exports SET file_name = $2, bytes = $3, blake3 = $4 WHERE id = $1");
        let query = query.bind(id).bind(file_name).bind(bytes).bind(blake3);
        query.execute(&self.pool).await.map(drop).map_err(failed)
    }

    /// An export of an account.
    pub async fn export(&self, account: &str, id: &str) -> Result<Export> {
        let query = sqlx::query("SELECT * FROM exports WHERE account = $1 AND id = $2").bind(account).bind(id);
        let row = query.fetch_optional(&self.pool).await.map_err(failed)?;
        Export::one(row)?.ok_or_else(|| Error::NotFound(format!("there is no export {id:?}")))
    }

    /// An account's exports, newest first, at most `limit`.
    pub async fn exports(&self, account: &str, limit: i64) -> Result<Vec<Export>> {
        let query = sqlx::query("SELECT * FROM exports WHERE account = $1 ORDER BY created_us DESC, id LIMIT $2");
        Export::all(query.bind(account).bind(limit).fetch_all(&self.pool).await.map_err(failed)?)
    }

    /// Takes out uploads whose time is over, and returns their ids: their files may go.
    pub async fn forget_uploads(&self) -> Result<Vec<String>> {
        let query = sqlx::query("DELETE FROM uploads WHERE expires_us <= $1 RETURNING id").bind(self.now_us());
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| get(row, "id")).collect()
    }

    /// Takes out exports whose time is over, and returns their ids and formats: their files may go.
    pub async fn forget_exports(&self) -> Result<Vec<(String, String)>> {
        let query = sqlx::query("DELETE FROM exports WHERE expires_us <= $1 RETURNING id, format").bind(self.now_us());
        let rows = query.fetch_all(&self.pool).await.map_err(failed)?;
        rows.iter().map(|row| Ok((get(row, "id")?, get(row, "format")?))).collect()
    }
}
