// Package loadtest runs stack load-test's afternoon under the real engine: its hosts are made by the hour, pulumi is killed while they are, and torn down so that nothing costs
// any more. The tests have the tag e2e; they need root, for the fake hosts listen on sshd's port.
//
// What a reader would get wrong: the hosts run no script, and there is no cluster; see infra/bench/fakehost. What is real is the stack's own description, the engine, the
// provider, and the account's books.
package loadtest
