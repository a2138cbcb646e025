fn main() {
    due::routes![greet];
}
