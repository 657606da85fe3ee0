using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>A process needs certificates or a token.</summary>
public sealed class NodeSecurityTests : IDisposable
{
    private readonly CertificateFolders _folders = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _folders.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Without_options_there_is_no_protection() => Assert.Null(NodeSecurity.Open("localhost", new()));

    [Fact]
    public void Certificates_must_have_the_name()
    {
        var folder = _folders.Write();
        using (var security = NodeSecurity.Open("localhost", new(folder))) Assert.NotNull(security?.Certificates);
        Assert.Throws<CertificateException>(() => NodeSecurity.Open("192.0.2.1", new(folder)));
    }

    [Fact]
    public void A_token_is_read_from_its_file()
    {
        var token = JoinToken.Create();
        JoinTokenFile.Write(_folder["token"], token);
        using var security = NodeSecurity.Open("192.0.2.1", new(TokenFile: _folder["token"]));
        Assert.Equal(token.ToText(), security?.Token?.ToText());
        Assert.Equal(["--token-file", _folder["token"]], security!.Arguments.ToArguments());
    }

    [Fact]
    public void Exactly_one_kind_of_protection_is_required()
    {
        Assert.StartsWith(
            "--certs and --token-file are two ways",
            Assert.Throws<JoinTokenException>(() => NodeSecurity.Open("localhost", new("certs", "token"))).Message,
            StringComparison.Ordinal);
        var refusal = Assert.Throws<JoinTokenException>(() => NodeSecurity.Open("localhost", new(IsInsecure: true)));
        Assert.Contains("give each worker on another machine a copy of it with --token-file", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Another_program_gets_the_same_options()
    {
        Assert.Empty(new SecurityArguments().ToArguments());
        Assert.Equal(["--token-file", Path.GetFullPath("some/file")], new SecurityArguments(TokenFile: "some/file").ToArguments());
        Assert.Equal(["--certs", Path.GetFullPath("some/where")], new SecurityArguments("some/where").ToArguments());
    }
}
