// A gRPC client of its own process that finds its servers by xDS. Usage: TARGET; prints one answer a line.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	_ "google.golang.org/grpc/xds"
)

// plain passes bytes as they are.
type plain struct{}

func (plain) Name() string { return "proto" }

func (plain) Marshal(value any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(value.([]byte))}, nil
}

func (plain) Unmarshal(data mem.BufferSlice, value any) error {
	*value.(*[]byte) = data.Materialize()
	return nil
}

func main() {
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	for {
		context, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var answer []byte
		err := connection.Invoke(context, "/test.Name/Get", []byte{}, &answer, grpc.ForceCodecV2(plain{}))
		cancel()
		if err != nil {
			fmt.Println("error", err)
		} else {
			fmt.Println(string(answer))
		}
		time.Sleep(5 * time.Millisecond)
	}
}
