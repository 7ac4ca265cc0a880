// Empty: it lets dragonboat.go declare a function without a body.
