using Distributed.Hosting.Security;
using Distributed.Transport.Security;

namespace Distributed.Shared.Tests.Security;

/// <summary>A token file must not be readable by other users.</summary>
public sealed class JoinTokenFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_token_file_is_readable_by_its_user_only()
    {
        var token = JoinToken.Create();
        JoinTokenFile.Write(_folder["token"], token);
        Assert.Equal(token.ToText(), JoinTokenFile.Read(_folder["token"]).ToText());
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder["token"]));
        Assert.DoesNotContain(token.ToText(), $"{token}", StringComparison.Ordinal);
        Assert.EndsWith(
            "token' exists; nothing is overwritten. Name another file",
            Assert.Throws<JoinTokenException>(() => JoinTokenFile.Write(_folder["token"], token)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0644")]
    [InlineData("0640")]
    [InlineData("0604")]
    [InlineData("0620")]
    [InlineData("0601")]
    public void A_file_that_others_can_use_is_refused_by_its_mode(string mode)
    {
        if (OperatingSystem.IsWindows()) return;
        JoinTokenFile.Write(_folder["token"], JoinToken.Create());
        // Also through a symbolic link.
        File.CreateSymbolicLink(_folder["link"], _folder["token"]);
        File.SetUnixFileMode(_folder["token"], (UnixFileMode)Convert.ToInt32(mode, 8));
        foreach (var name in (string[])["token", "link"])
            Assert.Contains(
                $"has the mode {mode}, and holds a secret: allow its owner alone",
                Assert.Throws<JoinTokenException>(() => JoinTokenFile.Read(_folder[name])).Message,
                StringComparison.Ordinal);
        File.SetUnixFileMode(_folder["token"], UnixFileMode.UserRead);
        Assert.NotNull(JoinTokenFile.Read(_folder["link"]));
    }

    [Theory]
    [InlineData("", "is not a join token")]
    [InlineData("hunter2", "is not a join token")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "is not a join token")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "is not a join token")]
    [InlineData("long", "has 2000 bytes; a file with a join token has at most 1024")]
    public void A_malformed_token_is_refused(string text, string expected)
    {
        var path = _folder["token"];
        File.WriteAllText(path, text == "long" ? new string('A', 2000) : text);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Assert.Contains(expected, Assert.Throws<JoinTokenException>(() => JoinTokenFile.Read(path)).Message, StringComparison.Ordinal);
        Assert.Contains(
            "does not exist. --token-file names a file",
            Assert.Throws<JoinTokenException>(() => JoinTokenFile.Read(_folder["none"])).Message,
            StringComparison.Ordinal);
    }
}
