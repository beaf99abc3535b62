mod instance { pub mod bindings; }
fn main() {}
