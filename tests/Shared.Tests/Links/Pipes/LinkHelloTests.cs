using Distributed.Transport.Pipes;

namespace Distributed.Shared.Tests.Links.Pipes;

public sealed class LinkHelloTests
{
    private static readonly Gen<string> _name = Gen.String[Gen.Char["abcXYZ019._-"], 1, LinkHello.MaxNameLength];

    private static readonly Gen<LinkMemoryOffer?> _offer =
        from isOffered in Gen.Bool
        from boot in Gen.Guid
        from process in Gen.Int
        from descriptor in Gen.Int
        from secret in Gen.ULong
        from bytes in Gen.Long
        select isOffered ? new LinkMemoryOffer(boot, process, descriptor, new(secret, ~secret), bytes) : (LinkMemoryOffer?)null;

    private static readonly Gen<(byte[] Token, string Name, LinkMemoryOffer? Memory)> _any =
        Gen.Select(Gen.Byte.Array[LinkHello.TokenLength], _name, _offer);

    [Fact]
    public void A_greeting_survives_a_round_trip() => _any.Sample((token, name, memory) =>
    {
        var bytes = new LinkHello(token, name, memory).ToBytes();
        Assert.InRange(bytes.Length, 1, LinkHello.MaxLength);
        var read = LinkHello.Read(bytes)!;
        Assert.Equal((name, memory), (read.Name, read.Memory));
        Assert.True(read.HasToken(token));
        token[name.Length % token.Length] ^= 1;
        Assert.False(read.HasToken(token));
    });

    [Fact]
    public void A_greeting_of_the_wrong_length_is_malformed() =>
        Gen.Select(_any, Gen.Int[0, LinkHello.MaxLength + 9]).Sample((hello, length) =>
        {
            var bytes = new LinkHello(hello.Token, hello.Name, hello.Memory).ToBytes();
            var withoutOffer = LinkHello.TokenLength + 1 + hello.Name.Length;
            var other = new byte[length];
            bytes.AsSpan(0, Math.Min(length, bytes.Length)).CopyTo(other);
            Assert.Equal(
                length == bytes.Length || length == withoutOffer || length == withoutOffer + 48,
                LinkHello.Read(other) is not null);
        });

    [Fact]
    public void Any_bytes_are_parsed_as_a_greeting_or_rejected() => Gen.Byte.Array[0, 200].Sample(bytes =>
    {
        if (bytes.Length > LinkHello.TokenLength) bytes[LinkHello.TokenLength] %= 70;
        var name = LinkHello.Read(bytes)?.Name ?? "a";
        Assert.Matches("^[A-Za-z0-9._-]{1,63}$", name);
    });

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("line\nbreak")]
    [InlineData("ümlaut")]
    [InlineData("0123456789012345678901234567890123456789012345678901234567890123")]
    public void A_malformed_name_cannot_be_sent(string name) =>
        Assert.Throws<ArgumentException>(() => new LinkHello(new byte[LinkHello.TokenLength], name, null).ToBytes());

    [Fact]
    public void A_token_of_the_wrong_length_cannot_be_sent() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new LinkHello(new byte[5], "a", null).ToBytes());
}
