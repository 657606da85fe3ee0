using Distributed.Worker.Natives;
using Distributed.Worker.Tests.Data;

namespace Distributed.Worker.Tests.Natives;

public sealed class LibtorchFolderTests
{
    private static readonly string[] _needed = ["libc10.so", "libtorch_cpu.so", "libtorch.so"];

    [Fact]
    public void Missing_libraries_are_named_and_no_others() => Gen.Int[0, 6].Sample(present =>
    {
        using var folder = new TemporaryFolder();
        Make(folder, [.. _needed.Where((_, i) => (present & (1 << i)) != 0)]);
        var message = Refusal(folder.Path);
        for (var i = 0; i < _needed.Length; i++)
            Assert.Equal((present & (1 << i)) == 0, message.Contains($"no {_needed[i]}", StringComparison.Ordinal));
        Assert.Contains($"{ExternalLibtorch.Variable} is '{folder.Path}'", message);
        Assert.Contains("libtorch 2.10.0", message);
    }, iter: 20);

    [Theory]
    [InlineData("")]
    [InlineData("lib")]
    public void The_folder_of_the_libraries_and_its_parent_are_both_accepted(string sub)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.At(sub));
        Make(folder, [.. _needed.Select(name => Path.Combine(sub, name))]);
        Assert.Equal(Path.GetFullPath(folder.At(sub)).TrimEnd('/'), LibtorchFolder.Find(folder.Path, "2.10.0").Path.TrimEnd('/'));
    }

    [Fact]
    public void Libraries_follow_their_dependencies_and_those_of_CUDA_are_optional()
    {
        using var folder = new TemporaryFolder();
        Make(folder, _needed);
        Assert.Equal(_needed, Names(folder));
        Make(folder, ["libtorch_cuda.so", "libc10_cuda.so", "libtorch_global_deps.so", "libtorch_python.so"]);
        Assert.Equal(["libtorch_global_deps.so", "libc10.so", "libtorch_cpu.so", "libc10_cuda.so", "libtorch_cuda.so", "libtorch.so"],
            Names(folder));
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_reported_with_the_allowed_ones() =>
        Assert.Equal(
            "DISTRIBUTED_LIBTORCH is '/no/such/folder', which is no folder; allowed: a folder with libc10.so, libtorch_cpu.so, "
                + "libtorch.so of libtorch 2.10.0, "
            + "such as PyTorch's: python3 -c 'import torch; print(torch.__path__[0])'",
            Refusal("/no/such/folder"));

    [Theory]
    [InlineData("/a/libLibTorchSharp.so: undefined symbol: _ZNK3c105Error4whatEv",
        "libtorch 2.11.0: it lacks the symbol _ZNK3c105Error4whatEv that libLibTorchSharp.so needs, so it is of another version or C++ "
        + "ABI; allowed: ")]
    [InlineData("libcudart.so.13: cannot open shared object file: No such file or directory",
        "libtorch 2.11.0: libLibTorchSharp.so needs libcudart.so.13, which was not found")]
    [InlineData("/a/libLibTorchSharp.so: invalid ELF header",
        "libtorch 2.11.0: libLibTorchSharp.so cannot be loaded: /a/libLibTorchSharp.so: invalid ELF header")]
    public void An_error_of_the_loader_becomes_a_reason_in_one_line(string error, string reason)
    {
        using var folder = new TemporaryFolder();
        Make(folder, _needed);
        var message = LibtorchFolder.Find(folder.Path, "2.10.0")
            .Explain("/a/libLibTorchSharp.so", error, "libtorch 2.11.0", "2.10.0").Message;
        Assert.Contains(reason, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    private static string Refusal(string named) => Assert.Throws<LibtorchException>(() => LibtorchFolder.Find(named, "2.10.0")).Message;

    private static IEnumerable<string?> Names(TemporaryFolder folder) =>
        LibtorchFolder.Find(folder.Path, "2.10.0").Libraries.Select(Path.GetFileName);

    private static void Make(TemporaryFolder folder, string[] names)
    {
        foreach (var name in names) File.WriteAllText(folder.At(name), "");
    }
}
