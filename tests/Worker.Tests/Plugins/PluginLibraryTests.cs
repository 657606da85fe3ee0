using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using Distributed.Worker.Abstractions;
using Distributed.Worker.Plugins;
using Distributed.Worker.Tests.Data;

namespace Distributed.Worker.Tests.Plugins;

public sealed class PluginLibraryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_library_of_another_TorchSharp_is_refused_with_both_versions()
    {
        var path = Write("old.dll", "TorchSharp", new(0, 105, 0, 0));
        Assert.StartsWith($"--plugin is '{path}', which was built against TorchSharp 0.105.0.0; this worker has 0.107.", Refusal(path),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_library_of_a_later_framework_is_refused_with_both_versions()
    {
        var path = Write("new.dll", "System.Runtime", new(99, 0, 0, 0));
        Assert.Equal($"--plugin is '{path}', which was built against System.Runtime 99.0.0.0; this worker has "
            + $"{Environment.Version.Major}.0.0.0: build it with that", Refusal(path));
    }

    [Fact]
    public void A_file_that_is_no_library_is_rejected()
    {
        var path = Path.Combine(_folder.Path, "text.dll");
        File.WriteAllText(path, "no library");
        Assert.Equal($"--plugin is '{path}', which is no .NET library for this machine; allowed: the .dll of a class library",
            Refusal(path));
        Assert.Equal("--plugin is 'gone.dll', which does not exist; allowed: the .dll of a class library", Refusal("gone.dll"));
    }

    private static string Refusal(string path) => Assert.Throws<PluginException>(() => PluginLibrary.Load(path)).Message;

    // A library without classes that references another one.
    private string Write(string name, string needed, Version version)
    {
        var metadata = new MetadataBuilder();
        metadata.AddModule(0, metadata.GetOrAddString(name), metadata.GetOrAddGuid(Guid.NewGuid()), default, default);
        metadata.AddAssembly(metadata.GetOrAddString(Path.GetFileNameWithoutExtension(name)), new(1, 0, 0, 0), default, default, default,
            default);
        metadata.AddAssemblyReference(metadata.GetOrAddString(needed), version, default, default, default, default);
        metadata.AddTypeDefinition(default, default, metadata.GetOrAddString("<Module>"), default, MetadataTokens.FieldDefinitionHandle(1),
            MetadataTokens.MethodDefinitionHandle(1));
        var image = new BlobBuilder();
        new ManagedPEBuilder(PEHeaderBuilder.CreateLibraryHeader(), new(metadata), new()).Serialize(image);
        var path = Path.Combine(_folder.Path, name);
        File.WriteAllBytes(path, image.ToArray());
        return path;
    }
}
