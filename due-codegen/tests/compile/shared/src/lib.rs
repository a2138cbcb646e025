//! Types that another crate uses by `extern_path`.

due::include_proto!();
