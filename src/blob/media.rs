//! What kind of content a file name promises.

use std::path::Path;

/// Guesses the media type of a file from the end of its name, in any case.
///
/// Formats of weights and arrays have no registered type; they are named as plain bytes.
pub fn media_type(name: &str) -> Option<&'static str> {
    let extension = Path::new(name).extension()?.to_str()?.to_ascii_lowercase();
    Some(match extension.as_str() {
        "txt" | "log" | "out" | "err" => "text/plain",
        "csv" => "text/csv",
        "tsv" => "text/tab-separated-values",
        "md" => "text/markdown",
        "html" | "htm" => "text/html",
        "py" => "text/x-python",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        "ipynb" => "application/x-ipynb+json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "wav" => "audio/wav",
        "mp4" => "video/mp4",
        "parquet" => "application/vnd.apache.parquet",
        "h5" | "hdf5" => "application/x-hdf5",
        "zip" | "npz" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "tar" => "application/x-tar",
        "zst" => "application/zstd",
        "pt" | "pth" | "ckpt" | "safetensors" | "onnx" | "npy" | "pkl" | "pickle" | "joblib"
        | "bin" => "application/octet-stream",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_extension_counts_in_any_case() {
        assert_eq!(media_type("plots/Loss.PNG"), Some("image/png"));
        assert_eq!(media_type("a.json.gz"), Some("application/gzip"));
        assert_eq!(
            media_type("m.safetensors"),
            Some("application/octet-stream")
        );
        for unknown in ["json", ".json", "model", "a.png/", "a.weird", "", "a."] {
            let want = (unknown == "a.png/").then_some("image/png");
            assert_eq!(media_type(unknown), want, "{unknown:?}");
        }
    }
}
