module polyraft.bench/driver

go 1.26.0
