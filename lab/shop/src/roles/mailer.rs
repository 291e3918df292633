//! The mailer: writes each mail into its spool, a disk of its own. It must never say that a mail is written that is
//! not on disk.

use crate::serve::{Answer, Role};
use crate::shop::{Fault, Req, Shop};
use axum::http::Method;
use opentelemetry::logs::Severity;
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// The role.
pub const ROLE: Role = Role {
    name: "mailer",
    route,
    handle: |shop, route, req| -> Answer { Box::pin(handle(shop, route, req)) },
};

/// The spool begins anew when it is so large; somebody else has fetched the mails by then.
const SPOOL_BYTES_MAX: u64 = 4 << 20;

fn route(method: &Method, parts: &[&str]) -> Option<&'static str> {
    (method == Method::POST && parts == ["mail"]).then_some("/mail")
}

async fn handle(shop: Arc<Shop>, _: &'static str, req: Req) -> Result<Value, Fault> {
    let order = req.field("order")?;
    let folder = std::env::var("SHOP_SPOOL").map_err(|_| Fault::new(500, "SHOP_SPOOL names no folder"))?;
    let path = Path::new(&folder).join("mbox");
    let text = format!("To: {}\nSubject: Your order {order}\n\n{}\n", req.user, "Thank you. ".repeat(1_800));
    write(&path, &text).map_err(|e| Fault::new(500, format!("cannot write a mail into the spool: {e}")))?;
    let fields = [("order.id", order.to_string()), ("user.id", req.user.clone())];
    shop.log(&req.cx, Severity::Info, &format!("mail for order {order} written"), &fields);
    Ok(json!({ "bytes": text.len() }))
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|m| m.len() > SPOOL_BYTES_MAX) {
        std::fs::remove_file(path)?;
    }
    let mut file = std::fs::File::options().create(true).append(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_data()
}
