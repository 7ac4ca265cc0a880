// Package mock holds gomock mocks of the interfaces between the parts of this
// library, for the unit tests. Every file but this one is generated. It is not
// promised to users and may change.
//
// After an interface has changed, run "make generate". The test of this
// package generates everything again, in memory, and fails when a committed
// file differs.
//
// A mock has the name of its interface. Where packages share a name, that of
// the package goes in front: PaxosEnv, GroupEnv.
package mock

//go:generate -command mockgen go tool mockgen -package=mock -write_package_comment=false
//go:generate mockgen -source=../../phxpaxos/event/event.go -mock_names=Observer=Observer -destination=event.go
//go:generate mockgen -source=../../phxpaxos/group/config.go -mock_names=Rand=GroupRand -destination=group_config.go
//go:generate mockgen -source=../../phxpaxos/group/env.go -mock_names=Env=GroupEnv -destination=group_env.go
//go:generate mockgen -source=../../phxpaxos/network/network.go -mock_names=Network=Network -destination=network.go
//go:generate mockgen -source=../../phxpaxos/paxos/config.go -mock_names=Env=PaxosEnv,Rand=PaxosRand -destination=paxos_config.go
//go:generate mockgen -source=../../phxpaxos/sm/sm.go -mock_names=StateMachine=StateMachine,Checkpointer=Checkpointer,BeforeProposer=BeforeProposer -destination=sm.go
//go:generate mockgen -source=../../phxpaxos/storage/fs.go -mock_names=FS=FS,File=File -destination=storage_fs.go
//go:generate mockgen -source=../../phxpaxos/storage/storage.go -mock_names=LogStorage=LogStorage -destination=storage.go
//go:generate mockgen -source=../../phxpaxos/waitlock/gate.go -mock_names=Rand=GateRand -destination=waitlock.go
