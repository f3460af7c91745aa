# SPDX-License-Identifier: Apache-2.0
# The front door. Each target says what it does in `make help`; the work is done by tools/, CMake and CTest.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help deps build demo test test-long test-enclave eif package container bench format lint clean
SHELL := /bin/bash

JOBS := $(shell nproc)

help: ## this list
	@echo "Redoubt: make TARGET"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

deps: ## install what is missing (Debian packages, Node.js, npm packages); needs root only for packages
	@tools/deps.sh

build: ## build/release/bin: redoubt, redoubt-enclave, redoubt-enclave-dev and the tests
	@tools/build release

demo: deps build ## the README's story on this machine, up to a mined transaction
	@tools/demo.sh

test: deps build ## unit, conformance and short end-to-end tests
	@tools/deps.sh test
	@ctest --test-dir build/release --output-on-failure --no-tests=error -j$$((4 * $(JOBS)))

test-long: deps build ## load, kill, chaos and long fuzz runs (an hour or more)
	@tools/deps.sh test
	@tools/deps.sh browser
	@tools/deps.sh clients
	@tools/deps.sh deploy
	@tools/deps.sh package
	@ctest --test-dir build/release --output-on-failure --no-tests=error -C long -L '^long$$'

eif: deps ## build/image: redoubt.eif and redoubt-dev.eif (KERNEL=FILE: another kernel; INPUTS=ARCHIVE: without a network)
	@image/build.sh

test-enclave: deps build ## boot the image in a virtual machine and run its tests
	@tools/deps.sh test
	@tests/e2e/enclave/run.sh

package: build ## build/package: .deb and .rpm of the host's side, and of the image where there is one
	@tools/deps.sh package
	@deploy/package/build.sh

container: build ## build/package: the host's side as a container's image, made without a registry
	@tools/deps.sh package
	@deploy/container/build.sh

bench: deps build ## signatures a second and latency beside raw libsecp256k1, anvil, ethers and viem: docs/performance (BENCH="--rows h2 --out FOLDER")
	@tools/build release counted
	@tools/node bench/run.mjs $(BENCH)

format: ## lay out the C++ sources with clang-format
	@tests/lint/format.sh --fix

lint: build ## floors, licence lines, layout, link map, clang-tidy
	@tools/deps.sh lint
	@ctest --test-dir build/release --output-on-failure --no-tests=error -L '^lint$$'
	@tests/lint/tidy.sh

clean: ## remove build/
	rm -rf build
