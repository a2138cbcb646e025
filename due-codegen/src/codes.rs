//! The codes that due and its runtime for Rust answer with. Games have their own, above 10.

/// Number and name, as `due::Code` has them.
pub(crate) const CODES: &[(i32, &str)] = &[
    (-1, "going away"),
    (0, "ok"),
    (1, "canceled"),
    (2, "unknown"),
    (3, "invalid argument"),
    (4, "deadline exceeded"),
    (5, "not found"),
    (6, "internal error"),
    (7, "unauthorized"),
    (8, "illegal invoke"),
    (9, "illegal request"),
    (10, "too many requests"),
];
