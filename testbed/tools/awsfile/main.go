// Command awsfile prints who the credentials of a shared file are, as a program in Go finds them:
// it loads the file with the options of Velero's plugin for AWS (vmware-tanzu/velero-plugin-for-aws
// v1.14.3, velero-plugin-for-aws/config.go, WithCredentialsFile), and calls GetCallerIdentity.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: awsfile FILE REGION")
		os.Exit(2)
	}
	arn, err := identity(context.Background(), os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "awsfile:", err)
		os.Exit(1)
	}
	fmt.Println(arn)
}

func identity(ctx context.Context, file, region string) (string, error) {
	// The plugin passes the file as both shared files, and profile "default" unless the location
	// names another one.
	loaded, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(region),
		config.WithSharedConfigProfile("default"),
		config.WithSharedCredentialsFiles([]string{file}),
		config.WithSharedConfigFiles([]string{file}),
	)
	if err != nil {
		return "", fmt.Errorf("loading %s: %w", file, err)
	}
	if _, err := loaded.Credentials.Retrieve(ctx); err != nil {
		return "", fmt.Errorf("the credentials of %s: %w", file, err)
	}
	caller, err := sts.NewFromConfig(loaded).GetCallerIdentity(ctx, nil)
	if err != nil {
		return "", err
	}
	return aws.ToString(caller.Arn), nil
}
