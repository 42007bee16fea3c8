// Asks Synapse a question twice over gRPC, streamed: the second answer comes from the cache.
//
//	buf generate ../../.. --path ../../../protos/synapse && go mod tidy
//	go run . -model gpt-4o-mini "What is the capital of France?"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	cachev1 "synapse-client/gen/synapse/cache/v1"
	llmv1 "synapse-client/gen/synapse/llm/v1"
)

const patience = 2 * time.Minute

// ask prints an answer as it comes, and what the cache did.
func ask(ctx context.Context, cache cachev1.CacheServiceClient, model, text string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	stream, err := cache.StreamGenerate(ctx, &cachev1.StreamGenerateRequest{
		Request: &llmv1.GenerationRequest{
			Model:    model,
			Kind:     llmv1.GenerationKind_GENERATION_KIND_CHAT,
			Messages: []*llmv1.Message{{Role: "user", Text: &text}},
		},
	})
	if err != nil {
		return err
	}
	var outcome *cachev1.Outcome
	for {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Printf("\n[%s: %s]\n", strings.TrimPrefix(outcome.GetStatus().String(), "CACHE_STATUS_"), outcome.GetReason())
			return nil
		}
		if err != nil {
			return err
		}
		if outcome == nil {
			outcome = message.GetOutcome()
		}
		for _, event := range message.GetEvents() {
			for _, delta := range event.GetDeltas() {
				fmt.Print(delta.GetContent())
			}
		}
	}
}

// explain tells what failed, why, and when to try again.
func explain(err error) string {
	failed := status.Convert(err)
	words := []string{fmt.Sprintf("%s: %s", failed.Code(), failed.Message())}
	for _, detail := range failed.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			words = append(words, "reason "+detail.GetReason())
		case *errdetails.RetryInfo:
			words = append(words, fmt.Sprintf("again in %s", detail.GetRetryDelay().AsDuration()))
		}
	}
	return strings.Join(words, "; ")
}

func transport(ca string) (credentials.TransportCredentials, error) {
	if ca == "" {
		return insecure.NewCredentials(), nil
	}
	return credentials.NewClientTLSFromFile(ca, "")
}

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func main() {
	log.SetFlags(0)
	model := flag.String("model", "", "model to ask")
	address := flag.String("address", env("SYNAPSE_GRPC", "localhost:50050"), "host:port of Envoy")
	key := flag.String("key", os.Getenv("SYNAPSE_API_KEY"), "Synapse key")
	ca := flag.String("ca", "", "PEM file of who signed Envoy's certificate; without it, plain text")
	flag.Parse()

	secured, err := transport(*ca)
	if err != nil {
		log.Fatal(err)
	}
	connection, err := grpc.NewClient(*address, grpc.WithTransportCredentials(secured))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+*key)
	for range 2 {
		if err := ask(ctx, cachev1.NewCacheServiceClient(connection), *model, flag.Arg(0)); err != nil {
			log.Fatal(explain(err))
		}
	}
}
