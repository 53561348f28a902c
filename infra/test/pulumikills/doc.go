// Package pulumikills kills the real Pulumi CLI and the real provider plugin at random moments of a run over six orders and that of their vRack, and lets runs follow until the
// stack is settled: one order a node, the money of six servers, nothing unowned, and the state of a run that nobody disturbed. It also lets two runs
// begin at once, loses the state, and imports a fleet. Its tests have the build tag faults and need neither root nor network: `make faults`.
//
// What a reader would get wrong: no fault is injected into our code. The simulator stands in this process, counts the calls that arrive, and at the
// chosen one sends SIGKILL to processes, as a full memory or an impatient person would.
package pulumikills
