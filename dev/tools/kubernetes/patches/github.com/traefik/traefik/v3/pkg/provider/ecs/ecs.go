// Package ecs is without Amazon's container service: its SDK compiles for minutes.
package ecs

import (
	"errors"

	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
)

// Provider cannot be used.
type Provider struct{}

// Init always fails.
func (*Provider) Init() error {
	return errors.New("this Traefik was built without the ECS provider")
}

// Provide is never called, since Init fails.
func (*Provider) Provide(chan<- dynamic.Message, *safe.Pool) error {
	return nil
}
