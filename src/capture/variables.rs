//! Which variables of the environment are kept with a run, and how much of each.
//!
//! Kept are those that bear on a training: which devices and threads it had, its place in a
//! distributed job, the scheduler's ids, and the settings of Python and the frameworks. A list of
//! what is wanted, not of what is not: an environment holds much that is nobody's business.

use std::collections::BTreeMap;

use super::bounded;
use super::secret::Masker;

/// Longest value kept; what is cut off ends in `…`.
const VALUE_BYTES_MAX: usize = 4 << 10;
/// All names and values together; what comes later in the alphabet is left out.
pub(super) const TOTAL_BYTES_MAX: usize = 128 << 10;
/// Longest name kept.
const NAME_BYTES_MAX: usize = 256;

/// Variables kept, by whole name.
const NAMES: &[&str] = &[
    // Devices and threads
    "BLIS_NUM_THREADS",
    "GPU_DEVICE_ORDINAL",
    "JULIA_NUM_THREADS",
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "NVIDIA_TF32_OVERRIDE",
    "NVIDIA_VISIBLE_DEVICES",
    "RAYON_NUM_THREADS",
    "TOKENIZERS_PARALLELISM",
    "VECLIB_MAXIMUM_THREADS",
    "ZE_AFFINITY_MASK",
    // The place in a distributed job, as torchrun, Open MPI, PMI and MVAPICH tell it
    "GROUP_RANK",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
    "MV2_COMM_WORLD_LOCAL_RANK",
    "MV2_COMM_WORLD_RANK",
    "MV2_COMM_WORLD_SIZE",
    "NODE_RANK",
    "PMIX_RANK",
    "PMI_LOCAL_RANK",
    "PMI_RANK",
    "PMI_SIZE",
    "RANK",
    "ROLE_RANK",
    "ROLE_WORLD_SIZE",
    "WORLD_SIZE",
    // Schedulers whose names have no prefix of their own
    "JOB_ID",
    "JOB_NAME",
    "NSLOTS",
    "SGE_TASK_ID",
    "SLURMD_NODENAME",
    // Language, time and where Python's packages are
    "LANG",
    "LC_ALL",
    "PIXI_ENVIRONMENT_NAME",
    "TZ",
    "VIRTUAL_ENV",
];

/// Variables kept, by the start of their names.
const PREFIXES: &[&str] = &[
    "ACCELERATE_",
    "AWS_BATCH_",
    "AZUREML_RUN_",
    "CONDA_",
    "CUBLAS_",
    "CUDA_",
    "CUDNN_",
    "DEEPSPEED_",
    "FI_",
    "FLUX_JOB_",
    "FSDP_",
    "GLOO_",
    "GOMP_",
    "HF_",
    "HIP_",
    "HOROVOD_",
    "HSA_",
    "I_MPI_",
    "JAX_",
    "KERAS_",
    "KMP_",
    "LIBTPU_",
    "LSB_",
    "MALLOC_",
    "MIOPEN_",
    "MKL_",
    "NCCL_",
    "NUMBA_",
    "NUMEXPR_",
    "OMPI_COMM_WORLD_",
    "OMP_",
    "OPENBLAS_",
    "PBS_",
    "PYTHON",
    "PYTORCH_",
    "RCCL_",
    "ROCR_",
    "SLURM_",
    "TF_",
    "TORCH",
    "TPU_",
    "TRANSFORMERS_",
    "TRITON_",
    "UCX_",
    "VLLM_",
    "XLA_",
];

/// Variables that have such a start by chance: Terraform's, which name secrets of their own.
const FOREIGN: &[&str] = &["TF_CLI_", "TF_TOKEN_", "TF_VAR_"];

/// Picks and masks the variables worth keeping.
///
/// - returns: values by name, each cut to its bound, and the names of what was masked
pub(super) fn select<'a>(
    all: impl Iterator<Item = (&'a str, &'a str)>,
    masker: &Masker,
) -> (BTreeMap<String, String>, Vec<String>) {
    let wanted: BTreeMap<&str, &str> = all.filter(|(name, _)| is_wanted(name)).collect();
    let mut kept = BTreeMap::new();
    let mut names = Vec::new();
    let mut room = TOTAL_BYTES_MAX;
    for (name, value) in wanted {
        let shown = masker.value(name, value);
        let value = bounded(shown.text, VALUE_BYTES_MAX);
        let Some(left) = room.checked_sub(name.len() + value.len()) else {
            break;
        };
        room = left;
        names.extend(shown.names);
        kept.insert(name.to_owned(), value);
    }
    (kept, names)
}

fn is_wanted(name: &str) -> bool {
    let starts = |starts: &[&str]| starts.iter().any(|start| name.starts_with(start));
    name.len() <= NAME_BYTES_MAX && !starts(FOREIGN) && (NAMES.contains(&name) || starts(PREFIXES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bears_on_a_training_is_kept_and_secrets_in_it_are_masked() {
        let long = "p".repeat(VALUE_BYTES_MAX + 1);
        let all = [
            ("CUDA_VISIBLE_DEVICES", "0,1"),
            ("SLURM_JOB_ID", "77"),
            ("RANK", "3"),
            ("PYTHONPATH", long.as_str()),
            ("HF_TOKEN", "hunter2"),
            ("HF_ENDPOINT", "https://jane:hunter2@hub.example.org"),
            ("HOME", "/home/jane"),
            ("TF_VAR_db", "x"),
            ("RANKING", "x"),
        ];
        let (kept, names) = select(all.into_iter(), &Masker::new(all.into_iter()));
        let kept_names: Vec<&str> = kept.keys().map(String::as_str).collect();
        assert_eq!(
            kept_names,
            [
                "CUDA_VISIBLE_DEVICES",
                "HF_ENDPOINT",
                "HF_TOKEN",
                "PYTHONPATH",
                "RANK",
                "SLURM_JOB_ID"
            ]
        );
        assert_eq!(kept["HF_TOKEN"], "[masked]");
        assert_eq!(kept["HF_ENDPOINT"], "https://jane:[masked]@hub.example.org");
        assert_eq!(names, ["HF_ENDPOINT (URL password)", "HF_TOKEN"]);
        assert!(kept["PYTHONPATH"].len() <= VALUE_BYTES_MAX);
        assert!(kept["PYTHONPATH"].ends_with("p…"));
    }

    #[test]
    fn a_huge_environment_is_kept_only_so_far() {
        let value = "x".repeat(VALUE_BYTES_MAX);
        let names: Vec<String> = (0..100).map(|i| format!("NCCL_{i:03}")).collect();
        let all = names.iter().map(|name| (name.as_str(), value.as_str()));
        let (kept, _) = select(all, &Masker::default());
        let bytes: usize = kept
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(kept.len() > 20 && bytes <= TOTAL_BYTES_MAX, "{bytes}");
    }
}
