package tutorial

import "fmt"

// Bank keeps accounts in memory.
type Bank struct {
	Balances map[string]int
}

// NewBank returns a bank without accounts.
func NewBank() *Bank { return &Bank{Balances: map[string]int{}} }

// Deposit adds money to an account, and opens it if there is none.
func (b *Bank) Deposit(to string, amount int) error {
	if amount <= 0 {
		return fmt.Errorf("an amount of %d", amount)
	}
	b.Balances[to] += amount
	return nil
}

// Transfer moves money from one account to another.
func (b *Bank) Transfer(from, to string, amount int) error {
	if amount <= 0 {
		return fmt.Errorf("an amount of %d", amount)
	}
	if b.Balances[from] < amount {
		return fmt.Errorf("%s has only %d", from, b.Balances[from])
	}
	b.Balances[from] -= amount
	b.Balances[to] += amount
	return nil
}
