using Distributed.Shared.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>Without certificates no other machine can connect, unless that is asked for by name.</summary>
public sealed class NodeSecurityTests : IDisposable
{
    private readonly CertificateFolders _folders = new();

    public void Dispose() => _folders.Dispose();

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.2")]
    [InlineData("localhost")]
    [InlineData("::1")]
    public async Task On_this_machine_alone_nothing_is_needed(string host)
    {
        using var security = await NodeSecurity.OpenAsync(host, null, new());
        Assert.Null(security.Certificates);
        Assert.Null(security.Warning);
    }

    [Theory]
    [InlineData("192.0.2.1")]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("no.such.host.invalid")]
    public async Task Elsewhere_certificates_are_needed_or_to_be_done_without_by_name(string host)
    {
        var refusal = await Assert.ThrowsAsync<CertificateException>(() => NodeSecurity.OpenAsync(host, null, new()));
        Assert.Equal($"{host} can be reached from other machines, and without certificates whoever reaches it could take part. "
            + $"Give --certs DIR (made by the coordinator's 'certs init DIR --host {host}'), or --insecure where you trust everybody on the network", refusal.Message);
        using var security = await NodeSecurity.OpenAsync(host, null, new(IsInsecure: true));
        Assert.StartsWith($"--insecure: connections at {host} are neither encrypted nor authenticated", security.Warning, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_it_listens_counts_too()
    {
        Assert.StartsWith("0.0.0.0 can be reached from other machines", (await Assert.ThrowsAsync<CertificateException>(() => NodeSecurity.OpenAsync("localhost", "0.0.0.0", new()))).Message, StringComparison.Ordinal);
        Assert.StartsWith("192.0.2.1 can be reached from other machines", (await Assert.ThrowsAsync<CertificateException>(() => NodeSecurity.OpenAsync("192.0.2.1", "127.0.0.1", new()))).Message, StringComparison.Ordinal);
        using var security = await NodeSecurity.OpenAsync("localhost", "127.0.0.1", new());
        Assert.Null(security.Warning);
    }

    [Fact]
    public async Task Certificates_must_have_the_name_and_are_not_for_doing_without()
    {
        var folder = _folders.Write();
        using (var security = await NodeSecurity.OpenAsync("localhost", null, new(folder))) Assert.NotNull(security.Certificates);
        await Assert.ThrowsAsync<CertificateException>(() => NodeSecurity.OpenAsync("192.0.2.1", null, new(folder)));
        await Assert.ThrowsAsync<CertificateException>(() => NodeSecurity.OpenAsync("localhost", null, new(folder, IsInsecure: true)));
    }

    [Fact]
    public void Another_program_is_told_the_same()
    {
        Assert.Empty(new SecurityArguments().ToArguments());
        Assert.Equal(["--insecure"], new SecurityArguments(IsInsecure: true).ToArguments());
        Assert.Equal(["--certs", Path.GetFullPath("some/where")], new SecurityArguments("some/where").ToArguments());
    }
}
