module github.com/phxpaxos/phxpaxos-go

go 1.26
