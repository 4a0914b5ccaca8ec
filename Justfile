# Lists the recipes.
default:
    @just --list

# Formatting and lints, nothing run.
check: fmt-check lint

# Brings all code into form.
fmt:
    cargo fmt --all

# Whether all code is in form.
fmt-check:
    cargo fmt --all --check

# Clippy, warnings are errors.
lint:
    cargo clippy --locked --all-targets -- -D warnings

# Installs what the tests need and runs every check and test; with arguments, only the tests that match.
test *FILTER:
    tests/run {{FILTER}}

# Only the unit tests beside the code.
unit *FILTER:
    cargo test --locked --lib {{FILTER}}

# The whole picture with a browser, HAProxy and an OpenID provider.
e2e:
    tests/run -E 'test(/^e2e::/)'

# Half a minute of load with a reload and a dying upstream.
load:
    tests/run -E 'test(/^load::/)' --no-capture

# The demonstration: open https://verify.localhost:8443 and choose a user.
dev *ARGS:
    cargo run --locked -- dev {{ARGS}}

# Runs with a configuration file.
run CONFIG:
    cargo run --locked -- run --config {{CONFIG}}

# Says everything that is wrong with a configuration file.
validate CONFIG:
    cargo run --locked -- validate {{CONFIG}}

# Measures Vallum beside HAProxy and nginx on this machine.
bench *ARGS:
    benches/run {{ARGS}}

# Records the profile by which release builds are laid out (ten minutes): benches/README.md.
pgo:
    benches/pgo/record

# What a policy decision costs, in nanoseconds.
bench-policy:
    cargo bench --locked --bench policy

# The appliance's image, into image/out (as root, on a Debian machine): image/README.md.
image *ARGS:
    image/build {{ARGS}}

# Looks into the built image without booting it.
image-check *ARGS:
    image/test/offline {{ARGS}}

# Boots the built image once under software emulation and uses it.
image-boot *ARGS:
    image/test/run {{ARGS}}

# Every scene with the built image, or those named: updates, broken disks and configurations, power cuts (most of an hour).
image-test *ARGS:
    image/test/run {{ if ARGS == "" { "--all" } else { ARGS } }}

# What guards main.
ci:
    .ci/run

# Every fuzz target for a minute; `--quick` for seconds, `--seconds N TARGET` for as long as you like.
fuzz *ARGS:
    tests/fuzz/run {{ARGS}}
