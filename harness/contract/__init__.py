"""The contract between the harness and the methods: cards, parameters, stages, outputs."""
