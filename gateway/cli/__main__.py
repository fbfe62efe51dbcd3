"""`python -m gateway.cli`: the same commands where no `campus-gateway` is installed."""

from gateway.cli.root import main

if __name__ == "__main__":
    main()
