//! Credentials of a request. Files with secrets are read anew each time, so that rotation needs no restart.
//! It must never put a secret into an error.

use crate::settings::{Auth, Secret};
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use std::path::Path;
use stdx::{Error, ErrorKind, Result};

/// The most bytes of a file that holds a secret.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Adds the credentials to a request, marked as sensitive.
pub(super) async fn apply(request: RequestBuilder, auth: &Auth) -> Result<RequestBuilder> {
    match auth {
        Auth::None => Ok(request),
        Auth::Basic(name, secret) => Ok(request.basic_auth(name, Some(read(secret).await?))),
        Auth::Header(kind, secret) => {
            let value = format!("{kind} {}", read(secret).await?);
            let mut value = HeaderValue::from_str(&value)
                .map_err(|_| Error::invalid("the credentials hold characters that no header may hold"))?;
            value.set_sensitive(true);
            Ok(request.header(AUTHORIZATION, value))
        }
    }
}

pub(super) async fn read(secret: &Secret) -> Result<String> {
    match secret {
        Secret::Text(text) => Ok(text.clone()),
        Secret::Env(name) => std::env::var(name).map_err(|_| {
            Error::new(ErrorKind::Unavailable, format!("the variable {name} of the environment is not set"))
        }),
        Secret::File(path) => {
            let path = path.clone();
            let read = tokio::task::spawn_blocking(move || read_file(&path)).await;
            read.map_err(|e| Error::wrap(ErrorKind::Internal, "reading a secret", e))?
        }
    }
}

fn read_file(path: &Path) -> Result<String> {
    let shown = path.display();
    let fail = |e: std::io::Error| {
        Error::wrap(ErrorKind::Unavailable, format!("cannot read the secret in {shown}"), e)
    };
    let metadata = std::fs::metadata(path).map_err(fail)?;
    if !metadata.is_file() || metadata.len() > SECRET_BYTES_MAX {
        let message = format!("{shown} is no file of at most {SECRET_BYTES_MAX} bytes with a secret");
        return Err(Error::invalid(message));
    }
    Ok(std::fs::read_to_string(path).map_err(fail)?.trim().to_string())
}
