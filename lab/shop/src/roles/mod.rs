//! The eight services. One file each; none knows another's file, they talk over HTTP.

pub mod cart;
pub mod catalogue;
pub mod checkout;
pub mod gateway;
pub mod mailer;
pub mod payment;
pub mod stock;
pub mod worker;

use crate::serve::Role;

/// All.
pub const ALL: [Role; 8] = [
    gateway::ROLE,
    catalogue::ROLE,
    cart::ROLE,
    checkout::ROLE,
    payment::ROLE,
    stock::ROLE,
    mailer::ROLE,
    worker::ROLE,
];
