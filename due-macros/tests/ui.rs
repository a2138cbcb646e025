//! Every right and every wrong use of the macros, each with what the compiler says (rustc 1.95; others word some errors
//! differently).

#[test]
fn route() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/route/pass/*.rs");
    cases.compile_fail("tests/route/fail/*.rs");
}

#[test]
fn routes() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/routes/pass/*.rs");
    cases.compile_fail("tests/routes/fail/*.rs");
}
