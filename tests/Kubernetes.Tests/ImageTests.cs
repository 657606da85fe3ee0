using System.Globalization;
using System.Text.RegularExpressions;
using k8s.Models;

namespace Distributed.Kubernetes.Tests;

/// <summary>Whether the images are what the pods take them for. What they hold is run by <see cref="DeploymentTests"/>.</summary>
public sealed partial class ImageTests
{
    [Theory]
    [InlineData("Coordinator/Dockerfile", "coordinator")]
    [InlineData("Worker/Dockerfile", "worker")]
    public async Task A_pod_finds_its_user_its_ports_and_its_folders_in_the_image(string file, string name)
    {
        var manifests = await Manifests.OfAsync("cpu");
        using var pod = new Pod(manifests, manifests.One<V1StatefulSet>(name));
        var image = Repository.Read(file);
        Assert.Equal($"{pod.Spec.SecurityContext.RunAsUser}:{pod.Spec.SecurityContext.RunAsGroup}", Value("USER", image));
        Assert.Equal(pod.Container.Ports.Select(port => port.ContainerPort).Order(), Value("EXPOSE", image).Split(' ').Select(port => int.Parse(port, CultureInfo.InvariantCulture)).Order());
        string[] writable = [.. pod.Container.VolumeMounts.Where(mount => mount.ReadOnlyProperty != true).Select(mount => mount.MountPath)];
        Assert.Equal(writable.Order(), Quoted().Matches(Value("VOLUME", image)).Select(match => match.Groups[1].Value).Order());
        Assert.Null(pod.Container.Command);
        Assert.Equal($"distributed-{name}", pod.Container.Image.Split('/')[^1].Split(':')[0]);
    }

    [Theory]
    [InlineData("Coordinator/Dockerfile")]
    [InlineData("Worker/Dockerfile")]
    public void What_is_copied_is_there_and_is_not_ignored(string file)
    {
        string[] allowed = [.. Repository.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..].TrimEnd('/'))];
        var copied = Copied().Matches(Repository.Read(file)).SelectMany(match => match.Groups[1].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..^1]).ToList();
        Assert.NotEmpty(copied);
        Assert.All(copied, path =>
        {
            Assert.True(Path.Exists(Repository.At(path)), path);
            Assert.Contains(path.TrimEnd('/'), allowed);
        });
    }

    [Theory]
    [InlineData("Coordinator", 40, "*torch*", "Distributed.Worker*")]
    [InlineData("Worker", 700, "libtorch_python.so", "*cuda*")]
    public async Task Only_what_runs_is_published(string program, int megabytes, params string[] absent)
    {
        var folder = new DirectoryInfo((await Image.OfAsync(program)).Folder);
        Assert.All([.. absent, "*.pdb", "*.xml"], pattern => Assert.Empty(folder.EnumerateFiles(pattern, SearchOption.AllDirectories)));
        Assert.InRange(folder.EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Length) >> 20, 1, megabytes);
    }

    private static string Value(string instruction, string file) => Regex.Match(file, $@"^{instruction} (.+)$", RegexOptions.Multiline).Groups[1].Value;

    [GeneratedRegex(@"^COPY (?!--from)(.+)$", RegexOptions.Multiline)]
    private static partial Regex Copied();

    [GeneratedRegex("\"([^\"]+)\"")]
    private static partial Regex Quoted();
}
