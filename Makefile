# One word each. `make test` installs what the tests need into the tree and runs every ring.
.PHONY: dev lint test test-unit test-properties test-api test-e2e test-uppy oracle properties fuzz fuzz-seeds mutants supply-chain \
	advisories sbom hostile overload soak rolling replicas connections confined faults image deploy-check bench bench-service clean
.DELETE_ON_ERROR:

CARGO ?= cargo
PYTHON ?= python3
NPM ?= npm
NODE ?= node

# Tools from the registry, one folder for each version.
TOOLS := target/tools
CARGO_FUZZ := $(TOOLS)/cargo-fuzz@0.13.2/bin/cargo-fuzz
CARGO_MUTANTS := $(TOOLS)/cargo-mutants@27.1.0/bin/cargo-mutants
CARGO_DENY := $(TOOLS)/cargo-deny@0.20.2/bin/cargo-deny
CARGO_AUDITABLE := $(TOOLS)/cargo-auditable@0.7.7/bin/cargo-auditable
CARGO_CYCLONEDX := $(TOOLS)/cargo-cyclonedx@0.5.9/bin/cargo-cyclonedx

VENV := target/venv
DEPLOY_VENV := target/deploy-venv
RELEASE := $${CARGO_TARGET_DIR:-$(CURDIR)/target}/release
E2E := tests/e2e
CHROMIUM := /usr/bin/chromium
NGINX := /usr/sbin/nginx
SERVICE := benches/service
PEER := $(SERVICE)/peer

dev:
	$(CARGO) run --locked -- dev

lint:
	$(CARGO) fmt --check
	CLIPPY_CONF_DIR=.ci $(CARGO) clippy --locked --all-targets -- -D warnings
	CLIPPY_CONF_DIR=.ci $(CARGO) clippy --locked -- -D warnings
	CLIPPY_CONF_DIR=.ci $(CARGO) clippy --locked --no-default-features -- -D warnings
	CLIPPY_CONF_DIR=.ci $(CARGO) clippy --locked --no-default-features --features otlp --bin signer --test otlp -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

# The parts first: a ring that cannot get its part fails before anything else has run. Chromium and nginx are installed on the
# machine, by apt-get; all else goes into the tree: target/, tests/e2e/node_modules.
test: $(VENV)/.installed $(E2E)/node_modules/.installed $(CHROMIUM) $(NGINX)
	.ci/rings unit properties api oracle otlp e2e uppy

test-unit test-properties test-api:
	.ci/rings $(@:test-%=%)

test-e2e test-uppy: $(VENV)/.installed $(E2E)/node_modules/.installed $(CHROMIUM) $(NGINX)
	.ci/rings $(@:test-%=%)

# The same oracles as in `make test`, at length: a quarter of an hour.
oracle: $(VENV)/.installed $(E2E)/node_modules/.installed
	ACCEPTED_URLS=10000 .ci/rings accepted
	ORACLE_CASES=1000000 .ci/rings oracle
	@grep -x '[0-9]* compared, [0-9]* differ' target/rings/oracle.log

# Attackers and a client that is to notice nothing, on this machine alone: ten minutes. Two builds, as for bench-service.
hostile:
	$(CARGO) build --locked --release --no-default-features --bin signer
	$(CARGO) build --locked --release --no-default-features --example hostile
	ulimit -n 20000 && $(RELEASE)/examples/hostile $(RELEASE)/signer

# Every part that the service stands on, broken in four ways, as four routes show it: 112 cells in two minutes. As root.
faults:
	tests/faults/install.sh
	$(CARGO) build --locked --release --no-default-features --bin signer
	SIGNER_BIN=$(RELEASE)/signer $(NODE) tests/faults/run.mjs $(FAULTS)

# Five times as much as it can do, as root for a slice of a CPU: ten minutes. A fault every 30 seconds: four minutes of
# warm-up, then SOAK_SECS. Fifty restarts behind a balancer: one minute. Ten kills behind nginx: one minute. What connections
# and requests cost: half a minute. Two builds, as for bench-service.
soak: SECS = $(SOAK_SECS)
overload soak rolling replicas connections:
	tests/strain/install.sh $@
	$(CARGO) build --locked --release --no-default-features --bin signer
	$(CARGO) build --locked --release --no-default-features --example strain
	ulimit -n 20000 && $(RELEASE)/examples/strain $@ $(RELEASE)/signer $(SECS)

# The image of deploy/Dockerfile, built with buildah and left in target/image, and the service run from its root. As root.
image: $(VENV)/.installed
	tests/image/install.sh
	deploy/image.sh
	IMAGE=$${CARGO_TARGET_DIR:-target}/image $(NODE) --test --test-reporter=spec tests/image/image.test.mjs

# Every file below deploy/ that somebody is to run: schemas, settings, alerts, and whether they fit each other.
deploy-check: $(DEPLOY_VENV)/.installed
	tests/deploy/install.sh
	$(CARGO) build --locked
	SIGNER_BIN=$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/signer $(DEPLOY_VENV)/bin/python -B tests/deploy/check.py

$(DEPLOY_VENV)/.installed: tests/deploy/requirements.txt
	$(PYTHON) -m venv --clear $(DEPLOY_VENV)
	$(DEPLOY_VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# As nobody, without capabilities, on a read-only file system, in 64 MiB. Run as root.
confined:
	$(CARGO) build --locked --release --no-default-features --bin signer
	tests/hostile/confined.sh $(RELEASE)/signer

$(VENV)/.installed: $(E2E)/requirements.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(E2E)/node_modules/.installed: $(E2E)/package-lock.json $(E2E)/package.json $(E2E)/.npmrc
	cd $(E2E) && $(NPM) ci --no-progress
	touch $@

$(CHROMIUM):
	$(E2E)/install.sh

$(NGINX):
	tests/strain/install.sh replicas

# The same properties as in `make test`, a million cases each: half an hour.
properties:
	PROPERTY_CASES=$(or $(PROPERTY_CASES),1000000) $(CARGO) test --locked --release --no-default-features \
		--test properties -- --nocapture

# Needs nightly Rust. Each target for so many seconds; `make test` runs them all with their seeds on stable.
FUZZ_SECS ?= 60
FUZZ_TARGETS ?= $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

fuzz: $(CARGO_FUZZ)
	FUZZ_SECS=$(FUZZ_SECS) .ci/fuzz $(abspath $<) $(FUZZ_TARGETS)

# After a change of fuzz/src/seeds.rs.
fuzz-seeds:
	WRITE_SEEDS=1 $(CARGO) test --locked --test properties fuzz_targets_hold_on_their_seeds

# At least 95 % of the mutants of the core are noticed by its tests: an hour. MUTANTS=src/domain/key.rs for one file.
mutants: $(CARGO_MUTANTS)
	.ci/mutants $(abspath $<) $(MUTANTS)

# Licences, bans, sources and duplicates (deny.toml), of what is released and, but for duplicates, of `dev` too.
supply-chain: $(CARGO_DENY)
	$(CARGO_DENY) --locked check bans licenses sources
	$(CARGO_DENY) --locked --all-features check --allow duplicate bans licenses sources

# Needs the RustSec database, which is fetched by git.
advisories: $(CARGO_DENY)
	$(CARGO_DENY) --locked --all-features check advisories

# The release as it is shipped, with the list of its dependencies inside, and the same list as CycloneDX beside it.
sbom: $(CARGO_AUDITABLE) $(CARGO_CYCLONEDX)
	$(CARGO_AUDITABLE) auditable build --locked --release --no-default-features --bin signer
	$(CARGO_CYCLONEDX) cyclonedx --format json --spec-version 1.5 --no-default-features --target x86_64-unknown-linux-gnu \
		--override-filename signer.cdx
	mkdir -p target/sbom && mv signer.cdx.json target/sbom/

# The pure steps, then the whole service; without the embedded S3, as in production.
bench: bench-service
	$(CARGO) bench --locked --no-default-features --bench signing
	$(PYTHON) -B benches/goals.py

# Two builds: in one, the example's dev-dependencies would give the signer tokio's test clock.
bench-service: $(PEER)/node_modules/.installed
	$(SERVICE)/install.sh
	$(CARGO) build --locked --release --no-default-features --bin signer
	$(CARGO) build --locked --release --no-default-features --example bare_hyper
	$(PYTHON) -B $(SERVICE)/run.py $(BENCH_FLAGS)

$(PEER)/node_modules/.installed: $(PEER)/package-lock.json $(PEER)/package.json $(PEER)/.npmrc
	cd $(PEER) && $(NPM) ci --no-progress
	touch $@

# The third part of the path is name@version.
$(TOOLS)/%:
	$(CARGO) install --quiet --locked --target-dir $(TOOLS)/build --root $(TOOLS)/$(firstword $(subst /, ,$*)) $(firstword $(subst /, ,$*))

clean:
	rm -rf target fuzz/target fuzz/corpus $(E2E)/node_modules $(PEER)/node_modules
