// Signs a viewer token and prints the address of an iframe. The key says which algorithm it is.
//
//	go mod tidy
//	EMBED_KID=2026-11 EMBED_KEY=2026-11.key go run .             # ES256
//	EMBED_KID=2026-11 EMBED_SECRET=$(cat secret.txt) go run .    # HS256
package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// The key, and the only algorithm it is for.
func signingKey() (jwt.SigningMethod, any, error) {
	if secret := os.Getenv("EMBED_SECRET"); secret != "" {
		return jwt.SigningMethodHS256, []byte(secret), nil
	}
	pem, err := os.ReadFile(os.Getenv("EMBED_KEY"))
	if err != nil {
		return nil, nil, err
	}
	key, err := jwt.ParseECPrivateKeyFromPEM(pem)
	return jwt.SigningMethodES256, key, err
}

func viewerToken(method jwt.SigningMethod, key any, viewer, tenant string, organizationID int) (string, error) {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return "", err
	}
	now := time.Now()
	token := jwt.NewWithClaims(method, jwt.MapClaims{
		"iss":      "https://app.example.com",
		"aud":      "embedgate", // a string; jwt.RegisteredClaims would write a list, which is refused
		"sub":      viewer,
		"jti":      hex.EncodeToString(id),
		"iat":      now.Unix(),
		"exp":      now.Add(2 * time.Minute).Unix(),
		"tenant":   tenant,
		"resource": map[string]any{"report": "q3"},
		"params":   map[string]any{"organization_id": organizationID},
	})
	token.Header["kid"] = os.Getenv("EMBED_KID")
	return token.SignedString(key)
}

func main() {
	method, key, err := signingKey()
	if err != nil {
		log.Fatal(err)
	}
	// The last three come from your own session, never from the request.
	token, err := viewerToken(method, key, "viewer-7", "acme", 99)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("https://bi.example.com/reports/q3?embed_token=" + token)
}
