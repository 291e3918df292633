//! What a program that was built without SQL says to a question in SQL. It must never answer one.

use crate::http::{ApiError, ApiResult};

pub async fn query() -> ApiResult {
    let text = "this program was built without SQL; `make build` builds it in";
    Err(ApiError::from(stdx::Error::new(stdx::ErrorKind::NotFound, text)))
}
